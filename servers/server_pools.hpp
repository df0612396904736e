/// What was given to Server::add().
#pragma once

#include <vector>

#include <bullpen/server.hpp>
#include "pool/model.hpp"

namespace bullpen {

struct Part {
    Options options;
    Form form;
    PerWorker<Handler> handler = {};
    PerWorker<AsyncHandler> async_handler = {};
    Program program = {};
    PerWorker<DatagramHandler> datagram_handler = {};
};

struct Server::Pools {
    std::vector<Part> parts;
};

}  // namespace bullpen
