//! The memory that computations take, kept from one to the next.

use argon2::{Block, Params};

use super::MEMORY_KIB;

/// Blocks for one computation at a time.
///
/// Taken anew each time, 19 MiB between small and lasting things leave holes that the next 19 MiB
/// do not fit into: a hundred sign-ins made the process 700 MB larger.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    /// Runs `work` on as many blocks as `params` want. Nothing of it is left there afterwards, as
    /// the blocks are made from the password.
    pub(super) fn lend<T>(&mut self, params: &Params, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let count = params.block_count();
        if self.0.len() < count {
            self.0.resize(count, Block::default());
        }
        let outcome = work(self.0.get_mut(..count).unwrap_or_default());
        if count > MEMORY_KIB.try_into().unwrap_or(usize::MAX) {
            // Of a hash that was made elsewhere: too much to keep.
            self.0 = Vec::new();
        } else {
            self.0.fill(Block::default());
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(memory_kib: u32) -> Params {
        Params::new(memory_kib, 1, 1, None).unwrap()
    }

    fn write(blocks: &mut [Block]) -> usize {
        for block in blocks.iter_mut() {
            block.as_mut().fill(7);
        }
        blocks.len()
    }

    #[test]
    fn blocks_are_kept_and_clean_and_those_of_an_expensive_hash_are_not_kept() {
        let mut memory = Memory::default();
        assert_eq!(memory.lend(&params(64), write), 64);
        assert_eq!(memory.0.len(), 64);
        assert!(memory.0.iter().all(|block| block.as_ref() == [0; 128]));
        // Fewer are part of the same.
        assert_eq!(memory.lend(&params(8), write), 8);
        assert_eq!(memory.0.len(), 64);
        assert_eq!(memory.lend(&params(MEMORY_KIB + 1024), write), 20 * 1024);
        assert_eq!(memory.0.capacity(), 0);
    }
}
