//! Labels that Docker Compose gives to the containers it makes.

/// The project that the container belongs to.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service that the container is of.
pub const SERVICE: &str = "com.docker.compose.service";
/// `True` on containers of `docker compose run`.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// Name or id of the container whose place this one is made to take.
pub const REPLACE: &str = "com.docker.compose.replace";
/// Services that this one waits for: `kafka:service_healthy:false,db:service_started:false`.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Which of its service's containers it is, counted from 1.
pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
