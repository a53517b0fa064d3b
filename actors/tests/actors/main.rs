//! The actors together, through their public surface.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod registry;
