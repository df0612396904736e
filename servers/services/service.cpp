#include "servers/services/service.hpp"

namespace bullpen {

const std::vector<Service>& services() {
    static const std::vector<Service> table{
        {.name = "http", .summary = "the files below --root, for browsers", .make = make_http},
        {.name = "echo", .summary = "sends everything back (RFC 862)", .make = make_echo},
    };
    return table;
}

}  // namespace bullpen
