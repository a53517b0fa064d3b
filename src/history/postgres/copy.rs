//! Many rows at once, in COPY's binary form: a fraction of what an INSERT costs the server, and us.

use std::pin::Pin;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::SinkExt as _;
use tokio_postgres::CopyInSink;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::Fault;
use crate::history::store::StoreError;

/// What the form begins with: its signature, and that there are neither flags nor an extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Bytes that are sent at once: a second of results of a thousand services in one message.
const PIECE: usize = 64 * 1024;

/// Rows on their way to the server. Unless they are finished, none of them is written.
pub(super) struct Rows {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    types: &'static [Type],
    buffer: BytesMut,
}

impl Rows {
    pub(super) fn new(sink: CopyInSink<Bytes>, types: &'static [Type]) -> Self {
        Self {
            sink: Box::pin(sink),
            types,
            buffer: HEAD.into(),
        }
    }

    /// Adds a row; its columns are of the types that the rows have.
    pub(super) async fn put(&mut self, row: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        self.buffer.put_i16(i16::try_from(row.len()).unwrap_or(i16::MAX));
        for (value, of) in row.iter().zip(self.types) {
            let place = self.buffer.len();
            self.buffer.put_i32(-1);
            let written = value.to_sql_checked(of, &mut self.buffer);
            if let IsNull::No = written.map_err(|error| StoreError::Failed(error.to_string()))? {
                let length = self.buffer.len() - place - size_of::<i32>();
                let length = i32::try_from(length).map_err(|error| StoreError::Failed(error.to_string()))?;
                if let Some(mut before) = self.buffer.get_mut(place..) {
                    before.put_i32(length);
                }
            }
        }
        if self.buffer.len() >= PIECE {
            self.sink.send(self.buffer.split().freeze()).await?;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<(), Fault> {
        self.buffer.put_i16(-1);
        self.sink.send(self.buffer.freeze()).await?;
        self.sink.as_mut().finish().await?;
        Ok(())
    }
}
