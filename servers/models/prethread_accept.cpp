/// Prethreaded with a shared accept (UNP 30.11, without its mutex): every thread blocks in accept.
#include "pool/crew.hpp"
#include "pool/datagrams.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prethread_accept{
    .name = "prethread-accept",
    .summary = "the threads of one process block in accept on the listener",
    .delivery = Delivery::accept,
    .housing = Housing::threads_of_one,
    .crash_takes = "all clients of the process",
    .crash_hides = "those accepted an instant before",
    .choose_when = "handlers share memory, are trusted not to crash, and every microsecond counts",
    .work =
        [](WorkerProcess& process) {
            Crew crew{process};
            crew.start_sized([](Worker& worker) {
                while (auto client = worker.next_accepted())
                    worker.serve(std::move(*client));
            });
            process.ready();
            crew.wait_until_all_left();
        },
    .work_datagrams = serve_datagrams_by_threads,
};

}  // namespace bullpen
