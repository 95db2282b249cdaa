//! The name of an enum's variant, as serde knows it.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

/// The name of the variant that a value is, without what it holds. Reasons derive their names by it, so that a
/// new one cannot be forgotten.
pub(super) fn variant_name(value: &impl Serialize) -> &'static str {
    value.serialize(VariantName).unwrap_or("unnamed")
}

struct VariantName;

/// The value is no variant.
#[derive(Debug)]
struct NoVariant;

impl fmt::Display for NoVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is no variant of an enum")
    }
}

impl std::error::Error for NoVariant {}

impl ser::Error for NoVariant {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Named = Result<&'static str, NoVariant>;
type Never = Impossible<&'static str, NoVariant>;

macro_rules! no_variant {
    ($($method:ident($($argument:ty),*) -> $result:ty),* $(,)?) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, NoVariant> {
            Err(NoVariant)
        })*
    };
}

impl Serializer for VariantName {
    type Ok = &'static str;
    type Error = NoVariant;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Named {
        Ok(variant)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Named {
        Ok(variant)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, _: &T) -> Named {
        Err(NoVariant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, _: &T) -> Named {
        Err(NoVariant)
    }

    no_variant! {
        serialize_bool(bool) -> &'static str,
        serialize_i8(i8) -> &'static str,
        serialize_i16(i16) -> &'static str,
        serialize_i32(i32) -> &'static str,
        serialize_i64(i64) -> &'static str,
        serialize_u8(u8) -> &'static str,
        serialize_u16(u16) -> &'static str,
        serialize_u32(u32) -> &'static str,
        serialize_u64(u64) -> &'static str,
        serialize_f32(f32) -> &'static str,
        serialize_f64(f64) -> &'static str,
        serialize_char(char) -> &'static str,
        serialize_str(&str) -> &'static str,
        serialize_bytes(&[u8]) -> &'static str,
        serialize_none() -> &'static str,
        serialize_unit() -> &'static str,
        serialize_unit_struct(&'static str) -> &'static str,
        serialize_seq(Option<usize>) -> Never,
        serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_map(Option<usize>) -> Never,
        serialize_struct(&'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }
}
