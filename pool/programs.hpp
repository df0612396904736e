/// What workers do whose clients are served by programs (Form::program, but for Delivery::fork).
#pragma once

namespace bullpen {

class WorkerProcess;

/// A worker that the master hands clients to starts the program for each, and takes the next one when that
/// has ended. It closes its own descriptor of the connection once the program has it. A status but 0 counts
/// as a failure, a program that couldn't be executed as one that failed. If the worker is killed, the program
/// is.
void start_program_for_each(WorkerProcess& process);

/// inetd's `wait`: once there is a client or a datagram the program gets the listening socket itself, and
/// nobody else looks at it until the program has ended. Each run counts as one connection. A program that
/// fails is started again after a pause of 100 ms, doubled up to a minute; none is started more often than
/// PoolOptions::starts_a_minute. An order to leave ends a program that runs (SIGTERM).
void lend_listener(WorkerProcess& process);

}  // namespace bullpen
