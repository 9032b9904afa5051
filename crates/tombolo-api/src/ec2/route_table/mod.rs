//! Route tables, what uses them, and their routes.

mod association;
mod create;
mod delete;
mod describe;
mod route;
mod target;
mod view;

pub(crate) use association::{
    associate_route_table, disassociate_route_table, replace_route_table_association,
};
pub(crate) use create::create_route_table;
pub(crate) use delete::delete_route_table;
pub(crate) use describe::describe_route_tables;
pub(crate) use route::{create_route, delete_route, replace_route};
