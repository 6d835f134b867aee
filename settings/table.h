/* SPDX-License-Identifier: MIT */
/*
 * Every setting, once. SETTING(kind, field, "name", default, min, max, when, "text"); kinds: settings.h. min
 * and max are bytes, seconds or a count by kind (for LIST the number of items; 0, 0: no bound). A WORD's
 * default column has all its words, the default first. Texts are read by administrators: what it does, and
 * when to change it.
 */
SETTING(
    TEXT, hostname, "hostname", "", 0, 0, RESTART,
    "The server's own name, as in greetings, Received lines and bounces. Empty: the system's full host name.")
SETTING(TEXT, data_dir, "data_dir", "/var/lib/gatepost", 0, 0, RESTART,
        "Where accounts, queue and history are kept. Belongs to `user`; on a disk whose sync can be trusted.")
SETTING(TEXT, user, "user", "gatepost", 0, 0, RESTART,
        "The system user that everything but the small keeper process runs as, when started as root.")
SETTING(COUNT, loops, "loops", "0", 0, 256, RESTART,
        "Event loops (threads that serve connections). 0: one for each core.")

SETTING(LIST, listen_smtp, "listen.smtp", "", 0, 64, RESTART,
        "Addresses for mail from other servers (port 25), for instance *:25. `*` is IPv4 and IPv6; several "
        "are separated by spaces.")
SETTING(LIST, listen_submission, "listen.submission", "", 0, 64, RESTART,
        "Addresses for mail programs that switch TLS on with STARTTLS, for instance *:587.")
SETTING(LIST, listen_submissions, "listen.submissions", "", 0, 64, RESTART,
        "Addresses for mail programs that speak TLS from the first byte, for instance *:465.")

SETTING(TEXT, tls_certificate, "tls.certificate", "", 0, 0, RELOAD,
        "PEM file with the server's certificate and the intermediate ones behind it. Read again on SIGHUP.")
SETTING(TEXT, tls_key, "tls.key", "", 0, 0, RELOAD,
        "PEM file with the certificate's private key. Only root needs to be able to read it.")
SETTING(WORD, tls_min_version, "tls.min_version", "1.2|1.3|1.1|1.0", 0, 0, RELOAD,
        "The oldest TLS version to accept. Below 1.2 is unsafe, is warned of at every start, and also lowers "
        "OpenSSL's security level.")
SETTING(TEXT, tls_ciphers, "tls.ciphers", "", 0, 0, RELOAD,
        "Ciphers for TLS 1.2 and older, in OpenSSL's words. Empty: OpenSSL's own choice.")
SETTING(TEXT, tls_ciphersuites, "tls.ciphersuites", "", 0, 0, RELOAD,
        "Cipher suites for TLS 1.3. Empty: OpenSSL's own choice.")
SETTING(FLAG, tls_required_for_auth, "tls.required_for_auth", "yes", 0, 0, RELOAD,
        "Whether a login is possible only inside TLS. Turn it off only where the network itself is private.")
SETTING(TIME, tls_silence, "tls.silence", "20s", 1, 300, RELOAD,
        "How long a TLS listener waits for the client's first byte before it tells it in plain text which "
        "setting is wrong.")

SETTING(WORD, auth_store, "auth.store", "local", 0, 0, RESTART,
        "Where accounts are looked up. `local`: Gatepost's own accounts.")
SETTING(FLAG, auth_sender_must_match, "auth.sender_must_match", "yes", 0, 0, RELOAD,
        "Whether the sender of a logged-in client must be its account (or the null sender).")
SETTING(TIME, auth_failure_delay, "auth.failure_delay", "1s", 1, 15, RELOAD,
        "When a failed login is answered, counted from its arrival, so that the time tells nothing.")
SETTING(TIME, auth_cache, "auth.cache", "5m", 0, 86400, RELOAD,
        "How long a verified login need not be verified again. 0s: always verify.")
SETTING(COUNT, auth_verifiers, "auth.verifiers", "0", 0, 256, RESTART,
        "Threads that compute password hashes. 0: cores less one, at least one.")

SETTING(LIST, local_domains, "local.domains", "", 0, 10000, RELOAD, "Domains whose mailboxes are here.")
SETTING(TEXT, local_delivery, "local.delivery", "maildir:/var/mail/%d/%n", 0, 0, RELOAD,
        "Where mail for local domains goes: maildir:PATH, lmtp:unix:PATH or lmtp:HOST:PORT. In PATH: %u "
        "address, %n local part, %d domain.")
SETTING(TEXT, local_postmaster, "local.postmaster", "", 0, 0, RELOAD,
        "The address that gets mail for postmaster. Empty: postmaster of the first local domain.")

SETTING(TEXT, relay_smarthost, "relay.smarthost", "", 0, 0, RELOAD,
        "HOST or HOST:PORT that takes mail for other domains. Empty: such mail is refused.")
SETTING(WORD, relay_tls, "relay.tls", "starttls|implicit|opportunistic|none", 0, 0, RELOAD,
        "TLS to the smarthost: starttls and implicit check its certificate and never go on without; "
        "opportunistic takes what it gets.")
SETTING(TEXT, relay_ca_file, "relay.ca_file", "", 0, 0, RELOAD,
        "PEM file with the authorities to trust for the smarthost. Empty: the system's.")
SETTING(TEXT, relay_user, "relay.user", "", 0, 0, RELOAD, "Login at the smarthost. Empty: none.")
SETTING(TEXT, relay_password_file, "relay.password_file", "", 0, 0, RELOAD,
        "File whose first line is the password for relay.user.")

SETTING(SIZE, message_max_size, "message.max_size", "50M", 1024, 1ULL << 32, RELOAD,
        "The largest message to accept (announced with SIZE).")
SETTING(TIME, queue_lifetime, "queue.lifetime", "5d", 60, 2592000, RELOAD,
        "How long delivery is tried before the sender gets a bounce.")
SETTING(LIST, queue_retry, "queue.retry", "1m 5m 15m 30m 1h 2h 4h", 1, 32, RELOAD,
        "Waits between delivery attempts; the last one repeats.")
SETTING(SIZE, queue_inline_max, "queue.inline_max", "32K", 1024, 131072, RELOAD,
        "Messages up to this size lie in the queue's database, larger ones in files of their own.")
SETTING(SIZE, queue_min_free, "queue.min_free", "8M", 0, 1ULL << 40, RELOAD,
        "With less free space on the queue's disk new mail is refused (452), so that what is queued can "
        "still be delivered.")
SETTING(FLAG, courier_hold, "courier.hold", "no", 0, 0, RELOAD,
        "Accept and queue mail, but deliver nothing for now.")
SETTING(COUNT, courier_connections, "courier.connections", "20", 1, 256, RESTART,
        "Deliveries at a time, all destinations together.")
SETTING(COUNT, courier_per_destination, "courier.per_destination", "10", 1, 256, RELOAD,
        "Deliveries at a time to one destination.")

SETTING(TEXT, log_file, "log.file", "stderr", 0, 0, RESTART,
        "The main log, in Exim's format: a PATH, or stderr. Opened again on SIGUSR1.")
SETTING(TIME, history_keep, "history.keep", "30d", 3600, 31536000, RELOAD,
        "How long events are kept for `gatepost why` and the pages.")
SETTING(COUNT, history_events, "history.events", "1000000", 1000, 100000000, RELOAD,
        "How many events are kept at most.")
SETTING(TEXT, control_socket, "control.socket", "", 0, 0, RESTART,
        "The UNIX socket by which commands reach the server. Empty: control.socket in data_dir.")
SETTING(TEXT, help_url, "help.url", "", 0, 0, RELOAD,
        "Address of your help pages; replies then end with `Help: URL/help/CAUSE`.")

SETTING(COUNT, limit_connections, "limit.connections", "10000", 1, 1000000, RELOAD, "Connections at a time.")
SETTING(COUNT, limit_connections_per_address, "limit.connections_per_address", "100", 1, 1000000, RELOAD,
        "Connections at a time from one address (an IPv6 /64 counts as one).")
SETTING(COUNT, limit_recipients, "limit.recipients", "1000", 100, 100000, RELOAD,
        "Recipients of one message (RFC 5321 asks for 100 at least).")
SETTING(COUNT, limit_messages, "limit.messages", "1000", 1, 1000000, RELOAD, "Messages in one connection.")
SETTING(COUNT, limit_errors, "limit.errors", "20", 1, 1000, RELOAD,
        "Refused or unknown commands in one connection before it is closed.")
SETTING(COUNT, limit_idle_commands, "limit.idle_commands", "100", 10, 10000, RELOAD,
        "Commands that move no mail (NOOP, RSET, VRFY, HELP, EHLO) between two messages before the connection "
        "is closed.")
SETTING(COUNT, limit_auth_failures, "limit.auth_failures", "3", 1, 100, RELOAD,
        "Failed logins in one connection before it is closed.")
SETTING(SIZE, limit_command_line, "limit.command_line", "4K", 512, 65536, RELOAD,
        "Length of a command line, with its end.")
SETTING(SIZE, limit_auth_line, "limit.auth_line", "12288", 1024, 65536, RELOAD,
        "Length of a line of a login (RFC 4954, section 4.3).")
SETTING(SIZE, limit_text_line, "limit.text_line", "64K", 1000, 1048576, RELOAD,
        "Length of a line of a message.")
SETTING(SIZE, limit_header, "limit.header", "256K", 4096, 4194304, RELOAD,
        "Size of a message's header in all.")
SETTING(COUNT, limit_received, "limit.received", "50", 5, 500, RELOAD,
        "Received lines before a message is taken for a loop.")
SETTING(TIME, limit_command_wait, "limit.command_wait", "5m", 1, 3600, RELOAD,
        "Wait for the next command (RFC 5321, section 4.5.3.2).")
SETTING(TIME, limit_login_wait, "limit.login_wait", "1m", 1, 3600, RELOAD,
        "Wait for commands on submission listeners before a login, handshake included.")
SETTING(TIME, limit_data_wait, "limit.data_wait", "3m", 1, 3600, RELOAD,
        "Wait for the next part of a message.")
SETTING(TIME, limit_session, "limit.session", "1h", 60, 86400, RELOAD, "Length of a connection in all.")
SETTING(TIME, limit_drain, "limit.drain", "30s", 1, 300, RELOAD,
        "How long connections may go on after SIGTERM.")
SETTING(COUNT, limit_auth_queue, "limit.auth_queue", "500", 1, 100000, RELOAD,
        "Logins that wait for their hash; more get 454.")
