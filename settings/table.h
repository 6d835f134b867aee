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

SETTING(COUNT, guard_max_failures, "guard.max_failures", "5", 1, 100, LATER,
        "Failed logins from one address within guard.window that block it. A password that was right for the "
        "account before does not count.")
SETTING(TIME, guard_window, "guard.window", "1h", 60, 86400, LATER,
        "How long a failed login counts, for this and for all rules below that count within a time.")
SETTING(TEXT, guard_block_for, "guard.block_for", "1h", 0, 0, LATER,
        "How long a block lasts: a duration, or forever.")
SETTING(COUNT, guard_repeat_factor, "guard.repeat_factor", "4", 1, 100, LATER,
        "How many times longer each further block of the same address lasts. 1: all last the same.")
SETTING(TIME, guard_repeat_within, "guard.repeat_within", "1d", 0, 2592000, LATER,
        "How long after the end of a block the next one is taken for a further one.")
SETTING(TIME, guard_repeat_max, "guard.repeat_max", "7d", 60, 31622400, LATER,
        "The longest that a repeated block gets (guard.block_for may be longer).")
SETTING(WORD, guard_count, "guard.count", "every|distinct", 0, 0, LATER,
        "`every`: each failed login counts. `distinct`: the same wrong password for the same account counts "
        "once.")
SETTING(FLAG, guard_forgive_stale_password, "guard.forgive_stale_password", "yes", 0, 0, LATER,
        "Whether failed logins with a password that was right for the account before are not counted: a "
        "device whose owner changed the password is no attacker.")
SETTING(COUNT, guard_stale_max, "guard.stale_max", "200", 0, 10000, LATER,
        "How many such logins one address may have within guard.window; more count like any other.")
SETTING(COUNT, guard_unknown_accounts, "guard.unknown_accounts", "3", 0, 100, LATER,
        "Different account names that do not exist, tried from one address, that block it. 0: no such rule.")
SETTING(TIME, guard_office_within, "guard.office_within", "24h", 0, 2592000, LATER,
        "For how long after a good login an address counts as one that people share: failed logins of "
        "another account then shut out that account from that address, not the address. 0s: no such rule.")
SETTING(COUNT, guard_office_failures, "guard.office_failures", "15", 1, 1000, LATER,
        "Failed logins, all accounts together, that block such an address nonetheless.")
SETTING(COUNT, guard_office_accounts, "guard.office_accounts", "3", 1, 1000, LATER,
        "Accounts shut out from such an address that block it nonetheless.")
SETTING(COUNT, guard_botnet_addresses, "guard.botnet_addresses", "50", 0, 1000, LATER,
        "When more addresses than this fail on one account, further ones that it never logged in from are "
        "blocked at their first failure. 0: no such rule.")
SETTING(COUNT, guard_spray_accounts, "guard.spray_accounts", "50", 0, 1000, LATER,
        "When one password fails on more accounts than this, addresses that try it are blocked at their "
        "first failure, unless the account logged in from there before. 0: no such rule.")
SETTING(TIME, guard_known_for, "guard.known_for", "30d", 3600, 31622400, LATER,
        "For how long after a good login an address is known to be the account's.")
SETTING(COUNT, guard_ipv4_prefix, "guard.ipv4_prefix", "32", 8, 32, LATER,
        "How many bits of an IPv4 address make one address for the guard.")
SETTING(COUNT, guard_ipv6_prefix, "guard.ipv6_prefix", "64", 32, 128, LATER,
        "The same for IPv6: who has one address there has mostly a whole /64.")
SETTING(COUNT, guard_widen, "guard.widen", "8", 0, 256, LATER,
        "Blocked parts of an IPv6 network that block all of it: /56, then /48, then /32. 0: never.")
SETTING(LIST, guard_allow, "guard.allow", "", 0, 10000, LATER,
        "Addresses, networks and host names (looked up again and again) that are never blocked. They are "
        "still slowed down.")
SETTING(COUNT, guard_allow_failures, "guard.allow_failures", "30", 1, 1000, LATER,
        "Failed logins a minute that an allowed address may have; more get 454.")
SETTING(LIST, guard_never, "guard.never", "loopback own", 0, 1000, LATER,
        "Addresses and networks that the guard does not look at. `loopback`: 127.0.0.0/8 and ::1; `own`: the "
        "addresses of this host.")
SETTING(WORD, guard_action, "guard.action", "explain|drop", 0, 0, LATER,
        "`explain`: a blocked client is told why, and until when. `drop`: it gets no answer at all.")
SETTING(COUNT, guard_drop_after, "guard.drop_after", "20", 0, 10000, LATER,
        "Connections within a minute after which a blocked client is told nothing any more. 0: it always is.")
SETTING(TIME, guard_delay_max, "guard.delay_max", "15s", 1, 60, LATER,
        "The longest wait for the answer to a failed login. It begins with auth.failure_delay and grows with "
        "each failure from the same address.")
SETTING(COUNT, guard_max_addresses, "guard.max_addresses", "1000000", 1000, 16000000, LATER,
        "Addresses whose failed logins are kept in memory (about 60 bytes each); the oldest give way.")
SETTING(COUNT, guard_max_blocks, "guard.max_blocks", "200000", 100, 4000000, LATER,
        "Blocks at a time (about 160 bytes each); the one that ends soonest gives way.")

SETTING(FLAG, pop_before_smtp_enabled, "pop_before_smtp.enabled", "no", 0, 0, LATER,
        "Whether an address that logged in by IMAP or POP3 lately may send as that account without a login.")
SETTING(TIME, pop_before_smtp_window, "pop_before_smtp.window", "1h", 60, 86400, LATER,
        "How long after such a login.")
SETTING(FLAG, pop_before_smtp_local, "pop_before_smtp.local", "no", 0, 0, LATER,
        "Whether loopback and the host's own addresses get this right, too. Only for tests: behind a proxy "
        "or webmail everyone comes from there.")

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
SETTING(
    COUNT, limit_idle_commands, "limit.idle_commands", "100", 10, 10000, RELOAD,
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
