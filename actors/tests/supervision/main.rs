//! The supervisor through its public surface, with real actors on real threads.

#[cfg(test)]
mod exits;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod stall;
