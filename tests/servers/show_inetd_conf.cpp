/// Prints what an inetd.conf on standard input says, for inetd_conf_test.py: a JSON object a line.
#include <boost/json.hpp>
#include <iostream>
#include <iterator>

#include "servers/inetd/inetd_conf.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "servers/inetd/services_file.hpp"

using namespace bullpen;

int main() {
    const std::string text{std::istreambuf_iterator<char>{std::cin}, {}};
    const InetdConf conf = parse_inetd_conf(text, port_in_services_file);
    for (const InetdEntry& entry : conf.entries)
        std::cout << boost::json::object{{"line", entry.line},
                                         {"service", entry.service},
                                         {"addresses", boost::json::value_from(entry.addresses)},
                                         {"socket", name_of(entry.socket)},
                                         {"protocol", row_of(entry.protocol).name},
                                         {"port", entry.port},
                                         {"waits", entry.waits},
                                         {"max_a_minute", entry.max_a_minute},
                                         {"max_per_source", entry.max_per_source},
                                         {"user", entry.user},
                                         {"group", entry.group},
                                         {"internal", entry.internal ? internal_service(entry) : ""},
                                         {"program", entry.program},
                                         {"arguments", boost::json::value_from(entry.arguments)}}
                  << '\n';
    for (const InetdComplaint& complaint : conf.complaints)
        std::cout << boost::json::object{{"line", complaint.line},
                                         {"field", complaint.field},
                                         {"sentence", complaint.sentence},
                                         {"is_warning", complaint.is_warning}}
                  << '\n';
}
