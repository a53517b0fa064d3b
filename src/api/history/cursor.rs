//! Where the next page begins.

use crate::history::model::IncidentId;

/// The cursor after this incident, for the same question and no other.
pub(super) fn after(last: IncidentId, question: &str) -> String {
    format!("{last}{:08x}", mark(question))
}

/// Where a page begins; `None` where the cursor is none, or belongs to another question.
pub(super) fn read(cursor: &str, question: &str) -> Option<IncidentId> {
    let (id, mark_of) = cursor.split_at_checked(16)?;
    (mark_of == format!("{:08x}", mark(question))).then_some(())?;
    id.parse().ok()
}

/// A question's mark: FNV-1a, see the Internet-Draft draft-eastlake-fnv. It guards against mistakes, not against malice:
/// whoever makes up a cursor sees no more than without.
fn mark(question: &str) -> u32 {
    question.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_its_own_question_alone() {
        let id = IncidentId::of_number(0x0193_a5c1_f2a4_b01c);
        let cursor = after(id, "service=kafka");
        assert_eq!(cursor.len(), 24);
        assert_eq!(read(&cursor, "service=kafka"), Some(id));
        assert_eq!(read(&cursor, "service=kafka2"), None);
        for bad in [
            "",
            "x",
            "0193a5c1f2a4b01c",
            "é193a5c1f2a4b01c00000000",
            &cursor[1..],
            "ffffffffffffffff00000000",
        ] {
            assert_eq!(read(bad, "service=kafka"), None, "{bad}");
        }
        // The specified test vector.
        assert_eq!(mark("foobar"), 0xbf9c_f968);
    }
}
