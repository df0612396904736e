/// Prefork with descriptor passing (UNP 30.9): the master accepts and hands each client to an idle worker,
/// which is a process or, with `threads` above 1, one of several threads of a process.
#include "pool/crew.hpp"
#include "pool/datagrams.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork{
    .name = "prefork",
    .summary = "the master accepts and hands each client to an idle worker",
    .delivery = Delivery::handoff,
    .takes_threads = true,
    .crash_takes = "its one client (with --threads T up to T of them)",
    .choose_when = "in doubt: isolation, a short tail of latency, and every client accounted for",
    .work =
        [](WorkerProcess& process) {
            in_each_worker(process, [](Worker& worker) {
                worker.ready();
                while (auto client = worker.next_handed_off())
                    worker.serve(std::move(*client));
            });
        },
    .work_datagrams = serve_datagrams,
};

}  // namespace bullpen
