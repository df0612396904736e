/// Descriptors 0, 1 and 2: that each is something, and that no write kills.
#pragma once

namespace bullpen {

/// Opens /dev/null for reading as each of the descriptors 0, 1 and 2 that is closed, so that no listener,
/// channel or client gets the number and what a library prints. Writing to 1 and 2 then fails as on a closed
/// descriptor (EBADF); reading from 0 ends at once. In a process that has no /dev/null, the number is taken
/// nevertheless. A process calls it before it opens anything.
void fill_standard_descriptors() noexcept;

/// Ignores SIGPIPE and SIGXFSZ: a write to a reader that is gone, or beyond RLIMIT_FSIZE, fails and kills
/// nobody.
void ignore_write_signals() noexcept;

}  // namespace bullpen
