//! Apps that listen, each as its framework serves it: where they do.

use poem::Endpoint;
use poem::listener::{Acceptor as _, Listener as _};
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};
use salvo::conn::Listener as _;
use tokio::net::TcpListener;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Reply;

pub(crate) async fn poem(app: impl Endpoint + 'static) -> String {
    let acceptor = poem::listener::TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
    tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(app));
    format!("http://{address}")
}

pub(crate) async fn salvo(app: salvo::Router) -> String {
    let acceptor = salvo::conn::TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.local_addr().unwrap();
    tokio::spawn(salvo::Server::new(acceptor).serve(app));
    format!("http://{address}")
}

pub(crate) async fn warp(app: BoxedFilter<(impl Reply + 'static,)>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(app.map(Reply::into_response)).incoming(listener).run());
    format!("http://{address}")
}

pub(crate) async fn rocket(app: Rocket<Build>) -> String {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let up = AdHoc::on_liftoff("up", move |rocket| {
        tell.lock().unwrap().take().unwrap().send(rocket.config().port).unwrap();
        Box::pin(async {})
    });
    tokio::spawn(app.attach(up).launch());
    format!("http://127.0.0.1:{}", told.await.unwrap())
}
