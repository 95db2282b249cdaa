//! Randomness.

use std::cell::RefCell;

use ring::rand::SecureRandom as _;

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct EntropyError;

/// A source of random bytes that nobody can guess. A test brings its own.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// If there are no random bytes to be had; nothing is issued then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The randomness of the operating system.
///
/// Each thread takes it in batches, and forgets every byte that it gives out: a request to the system for each token
/// would take longer than all else that is done for the token. A process that forks, which no asynchronous runtime
/// survives, must not have used it before.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        // While a thread ends it has no batch any more.
        let filled = BATCH.try_with(|batch| batch.borrow_mut().fill(bytes));
        filled.unwrap_or_else(|_| from_system(bytes))
    }
}

thread_local! {
    static BATCH: RefCell<Batch> = const { RefCell::new(Batch { bytes: [0; BATCH_LEN], left: 0 }) };
}

const BATCH_LEN: usize = 1024;

/// Random bytes that nobody has seen yet: the first `left` ones.
struct Batch {
    bytes: [u8; BATCH_LEN],
    left: usize,
}

impl Batch {
    fn fill(&mut self, wanted: &mut [u8]) -> Result<(), EntropyError> {
        if wanted.len() > BATCH_LEN {
            return from_system(wanted);
        }
        if wanted.len() > self.left {
            self.left = 0;
            from_system(&mut self.bytes)?;
            self.left = BATCH_LEN;
        }
        let rest = self.left - wanted.len();
        let taken = &mut self.bytes[rest..self.left];
        wanted.copy_from_slice(taken);
        taken.fill(0);
        self.left = rest;
        Ok(())
    }
}

fn from_system(bytes: &mut [u8]) -> Result<(), EntropyError> {
    ring::rand::SystemRandom::new().fill(bytes).map_err(|_| EntropyError)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn drawn(count: usize) -> Vec<[u8; 36]> {
        let mut bytes = vec![[0; 36]; count];
        bytes.iter_mut().for_each(|bytes| SystemEntropy.fill(bytes).unwrap());
        bytes
    }

    #[test]
    fn no_byte_is_given_out_twice() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| drawn(1000))).collect();
        let mut all = drawn(1000);
        all.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
        let windows: HashSet<_> = all.iter().flat_map(|bytes| bytes.windows(12)).collect();
        assert_eq!(windows.len(), 5000 * 25);
    }

    #[test]
    fn what_was_given_out_is_forgotten() {
        let mut batch = Batch { bytes: [0; BATCH_LEN], left: 0 };
        let mut first = [0; 100];
        batch.fill(&mut first).unwrap();
        assert_eq!(batch.left, BATCH_LEN - 100);
        assert_eq!(batch.bytes[batch.left..], [0; 100]);
        assert!(first != [0; 100] && batch.bytes[..batch.left].iter().any(|byte| *byte != 0));
        batch.fill(&mut [0; BATCH_LEN - 99]).unwrap();
        assert_eq!(batch.left, 99);
    }

    #[test]
    fn much_is_taken_from_the_system_itself() {
        let mut much = vec![0; 4 * BATCH_LEN];
        SystemEntropy.fill(&mut much).unwrap();
        assert!(much.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
