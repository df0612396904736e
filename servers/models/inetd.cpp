/// inetd: the master accepts and starts a program for each client, with the connection as its standard input,
/// output and error (UNP 13.5).
#include "servers/models/models.hpp"

namespace bullpen {

const Model inetd{
    .name = "inetd",
    .summary = "the master accepts and starts a program for each client",
    .delivery = Delivery::fork,
    .form = Form::program,
    .crash_takes = "its one client",
    .choose_when = "the service is a program in any language, and clients are few",
};

}  // namespace bullpen
