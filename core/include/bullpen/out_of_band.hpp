/// What becomes of TCP's urgent data.
#pragma once

namespace bullpen {

/// An urgent byte is one that a client sends with MSG_OOB, one at a time: another one that comes before the
/// first was reached takes its place, and the first is then data like all others. Handlers see the bytes
/// around it in any case. No read goes beyond it in one call, so what Connection::peek() is to see as a whole
/// (a head, a line) can't have one within: such a client is closed, whatever is chosen here.
enum class OutOfBand {
    off,      ///< As the kernel has it: a read skips the byte, and nobody counts it. Costs nothing.
    in_line,  ///< The byte stays among the others, where it was sent (SO_OOBINLINE), and is counted.
    discard,  ///< The byte is thrown away, and counted.
};
// Counted is what a Connection or AsyncConnection reads, in bullpen_urgent_bytes_total; not what a program
// or a handler's own call reads. Both cost a system call for each read.

}  // namespace bullpen
