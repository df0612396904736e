/// What workers do that serve datagrams (Form::datagram).
#pragma once

#include <cstddef>
#include <cstdint>

namespace bullpen {

class WorkerProcess;

/// Each worker, a process or one of several threads in it, waits on all of the process's sockets, and the
/// kernel wakes one of all workers for a datagram. A worker takes as many at once as it serves in about 100
/// µs (recvmmsg), and their answers leave together (sendmmsg). Each datagram counts as one connection. At a
/// stop those that the kernel holds are served.
void serve_datagrams(WorkerProcess& process);

/// A worker that was started because a datagram waits serves one, or none if others were faster, and ends.
/// There are as many at once as datagrams are being served (UNP 22.7).
void serve_one_datagram(WorkerProcess& process);

/// The same for Housing::threads_of_one.
void serve_datagrams_by_threads(WorkerProcess& process);

/// How many datagrams a worker takes at once if serving one takes so long.
std::size_t datagrams_at_once(std::uint64_t service_ns) noexcept;

}  // namespace bullpen
