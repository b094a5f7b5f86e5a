//! The cast of netmart.
