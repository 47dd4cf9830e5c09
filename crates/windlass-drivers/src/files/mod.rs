//! Files: `diff` steps and lifted `cp`, `mv`, `rm`, `mkdir`.
