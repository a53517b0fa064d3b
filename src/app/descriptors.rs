//! How many descriptors the process may open.

use std::fs;

use crate::api::Limits;

/// What clients of the API may take, as far as it is known how many descriptors there are.
pub(super) fn api_limits() -> Limits {
    let limits = Limits::default();
    match fs::read_to_string("/proc/self/limits")
        .ok()
        .as_deref()
        .and_then(soft_limit)
    {
        Some(descriptors) => limits.within(descriptors),
        None => limits,
    }
}

/// The limit that holds, of the kernel's table; `None` where there is none.
fn soft_limit(table: &str) -> Option<usize> {
    let row = table.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number_of_its_row() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max processes             unlimited            unlimited            processes \n\
                     Max open files            1024                 1048576              files     \n";
        assert_eq!(soft_limit(table), Some(1_024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files\n"),
            None
        );
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn clients_never_get_all_of_them() {
        assert_eq!(Limits::default().within(100).connections, 50);
        assert_eq!(
            Limits::default().within(1_000_000).connections,
            Limits::default().connections
        );
        assert_eq!(Limits::default().within(0).connections, 1);
    }
}
