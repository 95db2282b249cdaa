//! The guard as a middleware of actix-web.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _};

use super::actix::{bad_request, header, parts, response};
use super::gate::Gate;
use crate::guard::{Guard, OptionalGuard, Principal, cors_headers};

macro_rules! middleware {
    ($guard:ty) => {
        impl<S, B> Transform<S, ServiceRequest> for $guard
        where
            S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
            B: MessageBody,
        {
            type Response = ServiceResponse<EitherBody<B>>;
            type Error = Error;
            type Transform = Guarded<S>;
            type InitError = ();
            type Future = Ready<Result<Guarded<S>, ()>>;

            fn new_transform(&self, inner: S) -> Self::Future {
                ready(Ok(Guarded { gate: self.into(), inner: Rc::new(inner) }))
            }
        }
    };
}

middleware!(Guard);
middleware!(OptionalGuard);

/// A service behind a [`Guard`] or an [`OptionalGuard`]. Requests that pass carry their [`Principal`]
/// in their extensions, and those that an optional guard lets through without one `None::<Principal>`.
#[derive(Debug)]
pub struct Guarded<S> {
    gate: Gate,
    inner: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (gate, inner) = (self.gate.clone(), Rc::clone(&self.inner));
        Box::pin(async move {
            let refused = match parts(request.request()) {
                Ok(parts) => match gate.check(&parts).await {
                    Ok(principal) => {
                        match principal {
                            Some(principal) => drop(request.extensions_mut().insert(principal)),
                            None => drop(request.extensions_mut().insert(None::<Principal>)),
                        }
                        let mut response = inner.call(request).await?;
                        for (name, value) in cors_headers().iter().filter_map(|(name, value)| header(name, value)) {
                            if !response.headers().contains_key(&name) {
                                response.headers_mut().insert(name, value);
                            }
                        }
                        return Ok(response.map_into_left_body());
                    }
                    Err(refusal) => response(refusal.response()),
                },
                Err(_) => bad_request(),
            };
            Ok(request.into_response(refused).map_into_right_body())
        })
    }
}
