/// Thread per client (UNP 30.10): the main thread accepts and starts a thread for each client, workers_max at
/// a time.
#include <chrono>
#include <memory>
#include <thread>

#include "pool/crew.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model thread_per_client{
    .name = "thread",
    .summary = "the main thread accepts and starts a thread for each client",
    .delivery = Delivery::accept,
    .housing = Housing::threads_of_one,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "handlers share memory and clients stay long",
    .work =
        [](WorkerProcess& process) {
            Crew crew{process};
            crew.make_sure_of_a_thread();
            process.ready();
            for (;;) {
                const std::uint32_t vacant = crew.wait_for_vacancy();  // At workers_max, others wait.
                auto client = process.accept();
                if (!client) break;
                const auto shared = std::make_shared<Client>(std::move(*client));
                const auto serve = [shared](Worker& worker) { worker.serve(std::move(*shared)); };
                while (!crew.start(vacant, serve)) {
                    constexpr std::chrono::milliseconds until_some_have_ended{10};
                    std::this_thread::sleep_for(until_some_have_ended);
                }
            }
            crew.wait_until_all_left();
        },
};

}  // namespace bullpen
