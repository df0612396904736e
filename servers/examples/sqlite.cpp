/// A guest book in an SQLite database: POST / writes a line, GET / reads the last ten.
///
/// To learn: a connection to a database must not cross fork(2). So each worker makes its own handler, of
/// which the connection is a member, before it is ready; a worker that can't open it says so in the log.
///
///     sqlite 127.0.0.1:8080 guests.db
///     curl -d 'I was here' http://127.0.0.1:8080/
///     curl http://127.0.0.1:8080/
#include <sqlite3.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <bullpen/http.hpp>
#include <bullpen/serve.hpp>

namespace {

class Database {
public:
    explicit Database(const std::string& path) {
        sqlite3* opened = nullptr;
        const int status = sqlite3_open(path.c_str(), &opened);
        database_.reset(opened);
        if (status != SQLITE_OK) fail();
        sqlite3_busy_timeout(opened, 5000);  // Milliseconds for which another worker may be writing.
        run("CREATE TABLE IF NOT EXISTS guests (line TEXT NOT NULL)");
    }

    /// The first column of all rows, a line for each.
    std::string run(const char* sql, std::string_view parameter = {}) {
        sqlite3_stmt* prepared = nullptr;
        if (sqlite3_prepare_v2(database_.get(), sql, -1, &prepared, nullptr) != SQLITE_OK) fail();
        const std::unique_ptr<sqlite3_stmt, Finalize> statement{prepared};
        if (sqlite3_bind_parameter_count(prepared) > 0)
            sqlite3_bind_text(prepared, 1, parameter.data(), static_cast<int>(parameter.size()), nullptr);
        std::string lines;
        int step = 0;
        while ((step = sqlite3_step(prepared)) == SQLITE_ROW)
            lines.append(reinterpret_cast<const char*>(sqlite3_column_text(prepared, 0))).append("\n");
        if (step != SQLITE_DONE) fail();
        return lines;
    }

private:
    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
    };
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    [[noreturn]] void fail() { throw std::runtime_error{sqlite3_errmsg(database_.get())}; }

    std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: sqlite HOST:PORT DATABASE\n";
        return 2;
    }
    const auto make = [path = std::string{argv[2]}](bullpen::WorkerContext&) {
        return bullpen::http_handler(
            [guests = Database{path}](const bullpen::HttpRequest& request) mutable -> bullpen::HttpAnswer {
                if (request.path != "/") return {.status = 404};
                if (request.method == "GET")
                    return {.body = guests.run("SELECT line FROM guests ORDER BY rowid DESC LIMIT 10")};
                if (request.method != "POST") return {.status = 405, .fields = {{"Allow", "GET, POST"}}};
                guests.run("INSERT INTO guests VALUES (?)", request.body);
                return {.status = 204};
            });
    };
    return bullpen::serve(bullpen::http_options({.listen = {argv[1]}}), make);
}
