#include "servers/inetd/inetd_models.hpp"

#include "pool/datagrams.hpp"
#include "pool/programs.hpp"

namespace bullpen {

const Model inetd_nowait{
    .name = "nowait",
    .summary = "the master hands each client to a worker, which starts a program for it",
    .delivery = Delivery::handoff,
    .form = Form::program,
    .crash_takes = "its one client",
    .work = start_program_for_each,
};

const Model inetd_wait{
    .name = "wait",
    .summary = "a worker gives the listening socket to a program",
    .delivery = Delivery::accept,
    .form = Form::program,
    .workers_fixed = 1,
    .lends_listener = true,
    .crash_takes = "the program's clients",
    .work = lend_listener,
};

const Model inetd_datagrams{
    .name = "datagrams",
    .summary = "a worker answers datagrams",
    .delivery = Delivery::accept,
    .form = Form::datagram,
    .workers_fixed = 1,
    .crash_takes = "its one datagram",
    .work = serve_datagrams,
};

}  // namespace bullpen
