//! The dataspace of netmart.
