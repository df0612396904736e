/// The models: the designs of UNP chapter 30 and TLPI chapter 60, each a short file beside this one.
#pragma once

#include <string_view>
#include <vector>

#include "pool/model.hpp"

namespace bullpen {

extern const Model iterative;
extern const Model fork_per_client;
extern const Model thread_per_client;
extern const Model prefork_accept;
extern const Model prefork_lock;
extern const Model prefork_reuseport;
extern const Model prefork;
extern const Model prethread;
extern const Model prethread_accept;
extern const Model event;
extern const Model prefork_event;
extern const Model select_loop;
extern const Model poll_loop;
extern const Model epoll_loop;
extern const Model signal_loop;
extern const Model inetd;

/// In the order in which they are shown.
const std::vector<Model>& models();

/// Null if no model has this name.
const Model* find_model(std::string_view name);

}  // namespace bullpen
