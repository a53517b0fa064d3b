//! Many rows at once, in COPY's binary form: a fraction of what an INSERT costs the server, and us.

use std::pin::Pin;

use bytes::Bytes;
use tokio_postgres::CopyInSink;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::Fault;

/// Rows on their way to the server. Unless they are finished, none of them is written.
pub(super) struct Rows {
    writer: Pin<Box<BinaryCopyInWriter>>,
}

impl Rows {
    pub(super) fn new(sink: CopyInSink<Bytes>, types: &[Type]) -> Self {
        Self {
            writer: Box::pin(BinaryCopyInWriter::new(sink, types)),
        }
    }

    pub(super) async fn put(&mut self, row: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        Ok(self.writer.as_mut().write(row).await?)
    }

    pub(super) async fn finish(mut self) -> Result<(), Fault> {
        self.writer.as_mut().finish().await?;
        Ok(())
    }
}
