//! Values by a key that several of them have.

use std::collections::{BTreeMap, BTreeSet};

/// The values of each key that has some.
#[derive(Debug)]
pub struct Index<K, V>(BTreeMap<K, BTreeSet<V>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Index(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Index<K, V> {
    /// The values of a key, in their order.
    pub fn get(&self, key: &K) -> impl DoubleEndedIterator<Item = &V> + use<'_, K, V> {
        self.0.get(key).into_iter().flatten()
    }

    /// Adds a value to a key's, or takes it away.
    pub fn change(&mut self, key: &K, value: &V, add: bool) {
        if add {
            self.0.entry(key.clone()).or_default().insert(value.clone());
            return;
        }
        if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }
}
