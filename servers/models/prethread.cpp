/// Prethreaded (UNP 30.12): the main thread accepts and idle threads take the clients from a queue.
#include "pool/client_queue.hpp"
#include "pool/crew.hpp"
#include "pool/datagrams.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prethread{
    .name = "prethread",
    .summary = "the main thread accepts, idle threads take clients from a queue",
    .delivery = Delivery::accept,
    .housing = Housing::threads_of_one,
    .crash_takes = "all clients of the process",
    .crash_hides = "those in its queue",
    .choose_when = "handlers share memory and are trusted not to crash",
    .work =
        [](WorkerProcess& process) {
            ClientQueue queue;
            Crew crew{process};
            crew.wake_by([&queue] { queue.wake(); });
            crew.start_sized([&queue](Worker& worker) {
                while (auto client = queue.take(worker))
                    worker.serve(std::move(*client));
            });
            process.ready();
            while (queue.wait_for_taker()) {
                auto client = process.accept();
                if (!client) break;
                queue.put(std::move(*client));
            }
            queue.close();
            crew.wait_until_all_left();
        },
    .work_datagrams = serve_datagrams_by_threads,
};

}  // namespace bullpen
