#include "servers/models/models.hpp"

#include <algorithm>

namespace bullpen {

const std::vector<Model>& models() {
    static const std::vector<Model> all = {
        iterative, fork_per_client, thread_per_client, prefork_accept, prefork_lock,  prefork_reuseport,
        prefork,   prethread,       prethread_accept,  event,          prefork_event, select_loop,
        poll_loop, epoll_loop,      signal_loop,       inetd,
    };
    return all;
}

const Model* find_model(std::string_view name) {
    const auto& all = models();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Model& model) { return model.name == name; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace bullpen
