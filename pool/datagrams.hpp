/// What workers do that serve datagrams (Form::datagram).
#pragma once

namespace bullpen {

class WorkerProcess;

/// Each worker waits on all of the pool's sockets, and the kernel wakes one of them for a datagram. Each
/// datagram counts as one connection. At a stop those that the kernel holds are served.
void serve_datagrams(WorkerProcess& process);

}  // namespace bullpen
