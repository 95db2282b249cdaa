use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest};
use grantor::{Principal, Server};

use super::{OWN_CORS, START_PAGE, Session, by_either, by_token, guard};

pub(crate) fn actix_app(server: &Server) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + use<> {
    async fn token(method: Method, principal: Principal) -> String {
        by_token(method.as_str(), &principal)
    }
    async fn either(request: HttpRequest, principal: Option<Principal>) -> String {
        by_either(request.method().as_str(), principal.as_ref(), session(request.clone()).await.as_ref())
    }
    async fn own_cors() -> impl actix_web::Responder {
        actix_web::Responder::customize("mine").insert_header(OWN_CORS)
    }
    async fn session(request: HttpRequest) -> Option<Session> {
        request.extensions().get::<Session>().cloned()
    }
    let (read, write) = (guard(server, "/api", "projects:read"), guard(server, "/api", "projects:write"));
    let (mcp, routes) = (guard(server, "/mcp", ""), grantor::actix::routes_with(server, session));
    move |config| {
        config
            .service(web::resource("/api").wrap(read.clone()).to(token))
            .service(web::resource("/api/either").wrap(read.optional()).to(either))
            .service(web::resource("/api/token-for-either").wrap(read.clone()).to(either))
            .service(web::resource("/api/either-for-token").wrap(read.optional()).to(token))
            .service(web::resource("/api/own-cors").wrap(read.clone()).to(own_cors))
            .service(web::resource("/api/write").wrap(write).to(token))
            .service(web::resource("/mcp").wrap(mcp.clone()).to(token))
            .service(web::resource("/mcp/either").wrap(mcp.optional()).to(either))
            .service(web::resource("/open").to(token))
            .service(web::resource("/open/either").to(either))
            .service(web::scope("/nested").wrap(read).service(web::resource("/x").to(token)))
            .configure(routes)
            .default_service(web::to(|| async { START_PAGE }));
    }
}

/// The app's own middleware, to be wrapped around [`actix_app`].
pub(crate) async fn actix_sessions(
    request: ServiceRequest,
    next: actix_web::middleware::Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let session = Session::of(request.headers().get_all("cookie").map(|value| value.as_bytes()));
    session.map(|session| request.extensions_mut().insert(session));
    next.call(request).await
}
