//! The supervision system of health-monitor.
