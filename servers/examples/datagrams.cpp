/// Says over UDP who asks, and at which of the server's addresses.
///
/// To learn: a function of a Datagram& becomes a server for udp: listeners; an answer leaves from the address
/// that was asked; a source may be forged, so an answer that is longer than its question is a gift to those
/// who flood others: this server gives none.
///
///     datagrams udp:127.0.0.1:7001
#include <string>

#include <bullpen/serve.hpp>

int main(int count, char** arguments) {
    bullpen::Options options;
    options.listen = {count > 1 ? arguments[1] : "udp:127.0.0.1:7001"};
    return bullpen::serve(options, [](bullpen::Datagram& datagram) {
        const std::string text = datagram.sender().text() + " asks " + datagram.came_to().text() + "\n";
        if (text.size() > datagram.bytes().size()) return datagram.refuse();
        datagram.answer(text);
    });
}
