/// Echo over TLS (OpenSSL), a process for each client that speaks.
///
/// To learn: a library that wants the descriptor gets nonblocking_fd(). Where it can't go on, the connection
/// waits for it under its limits, so that a client that falls silent, during the handshake or after it, is
/// closed and counted like any other.
///
/// A TLS connection can't be parked: its keys are in this process, and no other worker has them. So each open
/// connection holds a worker, and workers_max is the number of clients. Where most clients are idle, let a
/// TLS proxy in front (nginx, stunnel, hitch) end TLS, and serve plain connections behind it, which park.
///
///     tls_echo 127.0.0.1:7000 certificate.pem key.pem [SECONDS]
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include <bullpen/serve.hpp>

namespace {

struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* tls) const { SSL_free(tls); }
};

/// False: the TLS connection is over, or (Limit::idle) the server stops or needs the worker for others.
template <typename Call>
bool complete(bullpen::Connection& client, SSL* tls, bullpen::Connection::Patience patience, Call call) {
    for (;;) {
        ERR_clear_error();
        const int result = call();
        if (result > 0) return true;
        switch (SSL_get_error(tls, result)) {
            case SSL_ERROR_WANT_READ:
                if (!client.wait_readable(patience)) return false;  // Throws TimedOut.
                break;
            case SSL_ERROR_WANT_WRITE: client.wait_writable(); break;
            default: return false;
        }
    }
}

void echo(bullpen::Connection& client, SSL_CTX* context) {
    const std::unique_ptr<SSL, Free> tls{SSL_new(context)};
    if (!tls || SSL_set_fd(tls.get(), client.nonblocking_fd()) != 1) return;
    const bullpen::Patience handshake{bullpen::Limit::header, bullpen::Clock::now() + client.limits().header};
    if (!complete(client, tls.get(), handshake, [&] { return SSL_accept(tls.get()); })) return;
    std::array<char, 4096> buffer;
    int size = 0;
    const auto read = [&] { return size = SSL_read(tls.get(), buffer.data(), sizeof buffer); };
    const auto write = [&] { return SSL_write(tls.get(), buffer.data(), size); };
    while (complete(client, tls.get(), {bullpen::Limit::idle}, read))
        if (!complete(client, tls.get(), {bullpen::Limit::idle}, write)) return;
    if ((SSL_get_shutdown(tls.get()) & SSL_RECEIVED_SHUTDOWN) != 0) SSL_shutdown(tls.get());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: tls_echo HOST:PORT CERTIFICATE KEY [SECONDS]\n";
        return 2;
    }
    const std::unique_ptr<SSL_CTX, Free> context{SSL_CTX_new(TLS_server_method())};
    if (SSL_CTX_use_certificate_chain_file(context.get(), argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), argv[3], SSL_FILETYPE_PEM) != 1) {
        std::cerr << "tls_echo: " << argv[2] << " and " << argv[3] << " are no certificate and its key\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    if (argc > 4)
        options.time_limits.header = options.time_limits.idle = std::chrono::seconds{std::stoi(argv[4])};
    return bullpen::serve(options, [&](bullpen::Connection& client) { echo(client, context.get()); });
}
