/* SPDX-License-Identifier: MIT */
/*
 * The catalogue. CAUSE(name, "id", "title", who, code, "enhanced", "text", tell, "user_fix", "admin_fix");
 * fields: causes.h. The first lines are to the letter those of the design and of Exim, which people search
 * the web for. user_fix has no jargon. No advice ever weakens security.
 *
 * code 0: nothing is answered to a client; text is then for the log and for bounces, and enhanced is the
 * status of a bounce. enhanced "" stands where RFC 2034, section 4 wants none: greetings, answers to HELO and
 * EHLO. A cause that may also come there (a time-out, a shutdown) has a code, which the caller leaves out in
 * these two places. The text of a 421 begins with the server's name (RFC 5321, section 4.2.3).
 *
 * Parameters:
 *   {hostname}    this server's name
 *   {port}        the listener's port; in relay-no-login the client's, as in Exim's text
 *   {address}     the client's IP address
 *   {helo}        what it said in HELO or EHLO
 *   {account}     the login
 *   {sender}      of MAIL, without brackets
 *   {recipient}   of RCPT, without brackets
 *   {domain}      of the recipient
 *   {parameter}   of MAIL or RCPT
 *   {mechanism}   of AUTH
 *   {expected}    what should have come ("MAIL first")
 *   {max}         the limit that was passed
 *   {reason}      what is wrong, in a few words
 *   {remote}      host and port of the server that mail was to be sent on to
 *   {answer}      what that server answered
 *   {path}        of a file or folder
 */

/* ---- login (RFC 4954) ---- */

/* RFC 4954, section 6: 530 is "Authentication required"; the text is RFC 3207's, section 4. */
CAUSE(TLS_REQUIRED_FOR_AUTH, "auth-before-tls", "Login without encryption", WHO_USER, 530, "5.7.0",
      "Must issue a STARTTLS command first", TELL_FIX,
      "Your mail program tried to log in without encryption, so that others could read your password.\n"
      "Open its settings for the outgoing server (SMTP).\n"
      "Set the security to SSL/TLS with port 465, or to STARTTLS with port 587.",
      "Nothing to change on the server: tls.required_for_auth keeps passwords from crossing the network "
      "unencrypted. If the client says that STARTTLS is not offered, check tls.certificate and tls.key, and "
      "look for a box between that strips STARTTLS; port 465 (listen.submissions) is safe from such boxes.")

CAUSE(
    AUTH_WRONG, "auth-wrong", "Wrong account name or password", WHO_USER, 535, "5.7.8",
    "Incorrect authentication data", TELL_TEXT,
    "Type the account name again: the full email address, without a space before or behind it.\n"
    "Type the password again, in the settings of the outgoing server (SMTP), too. If it was changed, use the "
    "new one.\n"
    "If that does not help, have your password reset.",
    "Compare the name in the log with `gatepost account list`: set_id shows it exactly as sent, stray spaces "
    "and typing errors included. If the name is right, set a new password with `gatepost account password`.")

/* The same reply as auth-wrong: an attacker must not learn that a password was right once. */
CAUSE(AUTH_STALE, "auth-stale-password", "An earlier password of this account", WHO_USER, 535, "5.7.8",
      "Incorrect authentication data", TELL_TEXT,
      "The password of this account was changed, but this device still uses the old one.\n"
      "Enter the new password there, for receiving and for sending.\n"
      "Think of every device that uses this account: telephone, tablet, other computers, printer or scanner.",
      "No attack: the password was right until it was changed. The log shows address and device name (HELO); "
      "tell the user which device it is.")

/* RFC 5248, section 2.4 has 5.7.13 with 525. Only said once the password was right. */
CAUSE(AUTH_DISABLED, "auth-disabled", "The account is disabled", WHO_ADMINISTRATOR, 525, "5.7.13",
      "User account disabled", TELL_FIX,
      "Your name and password are right, but this account has been switched off.\n"
      "Ask your provider why, and to switch it on again.",
      "The account was disabled with `gatepost account disable`. Find out why before it is enabled again.")

CAUSE(AUTH_UNAVAILABLE, "auth-unavailable", "Logins cannot be checked at the moment", WHO_ADMINISTRATOR, 454,
      "4.7.0", "Temporary authentication failure", TELL_FIX,
      "The mail server cannot check passwords at the moment. Yours may well be right: do not change it.\n"
      "Try again in a few minutes.",
      "The account store (auth.store) could not be read; the log says why. Check that the disk of data_dir "
      "is there, not full and writable, and that accounts.db in it belongs to `user`. Such failures never "
      "count against a client.")

CAUSE(AUTH_BUSY, "auth-busy", "Too many logins at once", WHO_ADMINISTRATOR, 454, "4.7.0",
      "Temporary authentication failure: too many logins are waiting", TELL_FIX,
      "The mail server is busy. Your password may well be right: do not change it.\n"
      "Try again in a few minutes.",
      "More logins wait for their password check than limit.auth_queue allows. If it happens without an "
      "attack, give auth.verifiers more threads or the server more cores.")

/* RFC 4954, section 4: 504 for a mechanism that is not supported. */
CAUSE(AUTH_MECHANISM, "auth-mechanism", "A way to log in that this server does not have", WHO_USER, 504,
      "5.5.4", "{mechanism} authentication mechanism not supported", TELL_FIX,
      "Open your mail program's settings for the outgoing server (SMTP).\n"
      "Set the authentication to \"password\" (\"normal password\"), and switch off SPA if it is on.\n"
      "Keep the security on SSL/TLS or STARTTLS.",
      "PLAIN and LOGIN are offered, inside TLS. Nothing to change on the server.")

/* RFC 4954, section 4: 501 with 5.5.2 for a response that cannot be decoded. */
CAUSE(AUTH_BASE64, "auth-base64", "Login data that cannot be decoded", WHO_USER, 501, "5.5.2",
      "Invalid base64 data", TELL_TEXT,
      "Your mail program sent its login in a broken form.\n"
      "Update the program, or try another one.",
      "The client's software is wrong (or a person types by hand). Nothing to change on the server.")

/* RFC 4954, section 6: 500 5.5.6. */
CAUSE(AUTH_LINE_TOO_LONG, "auth-line-too-long", "Login data that is too long", WHO_USER, 500, "5.5.6",
      "Authentication exchange line is too long", TELL_TEXT,
      "Your mail program sent a login that is far too long.\n"
      "Type account name and password again; if that does not help, update the program.",
      "The line was longer than limit.auth_line. Real logins are far shorter.")

/* RFC 4954, section 4: "*" cancels and is answered by 501. */
CAUSE(AUTH_CANCELLED, "auth-cancelled", "The client cancelled the login", WHO_USER, 501, "5.0.0",
      "Authentication cancelled", TELL_TEXT,
      "Your mail program broke off its own login.\n"
      "Enter account name and password again and send once more.",
      "The client cancelled, mostly because a person closed the password window. Nothing to change on the "
      "server.")

CAUSE(AUTH_MALFORMED, "auth-malformed", "Login data in the wrong form", WHO_USER, 501, "5.5.2",
      "Invalid authentication data", TELL_TEXT,
      "Your mail program sent its login in a wrong form, or without a name or a password.\n"
      "Type both again in the settings of the outgoing server (SMTP).\n"
      "If that does not help, update the program.",
      "The base64 was right, the content was not what the mechanism asks for (RFC 4616 for PLAIN). PLAIN's "
      "authorization id must be empty or equal to the account.")

/* RFC 4954, section 4: 503 after a good AUTH, and during a mail transaction. */
CAUSE(AUTH_ALREADY, "auth-already", "A second login in one connection", WHO_USER, 503, "5.5.1",
      "already authenticated", TELL_TEXT,
      "Your mail program logged in twice, which is a mistake of the program.\n"
      "Update the program.",
      "The client's software is wrong. Nothing to change on the server.")

CAUSE(AUTH_IN_TRANSACTION, "auth-in-transaction", "A login in the middle of a message", WHO_USER, 503,
      "5.5.1", "not permitted in mail transaction", TELL_TEXT,
      "Your mail program logged in after it had begun to send, which is a mistake of the program.\n"
      "Update the program.",
      "The client's software is wrong. Nothing to change on the server.")

CAUSE(AUTH_NOT_OFFERED, "auth-not-offered", "A login before it was offered", WHO_USER, 503, "5.5.1",
      "AUTH command used when not advertised", TELL_TEXT,
      "Your mail program tried to log in before the mail server offered it.\n"
      "In the settings of the outgoing server (SMTP), set the security to SSL/TLS with port 465, or to "
      "STARTTLS with port 587.\n"
      "If that does not help, update the program.",
      "AUTH needs EHLO before it, and TLS where tls.required_for_auth is on. A client that said HELO is told "
      "of no extension.")

CAUSE(AUTH_TOO_MANY_FAILURES, "auth-too-many-failures", "Too many failed logins in one connection", WHO_USER,
      421, "4.7.0", "{hostname} Too many failed logins - closing connection", TELL_TEXT,
      "Several logins in a row had a wrong name or password.\n"
      "Correct them in your mail program before it tries again.",
      "limit.auth_failures was reached. The lines before this one in the log show the account as sent.")

/* What another mail server of this host reports (Dovecot's policy protocol): nothing is answered here. */
CAUSE(AUTH_POLICY, "auth-policy-refused", "A login that the guard itself had refused", WHO_NOBODY, 0, "",
      "Login refused by policy", TELL_TEXT,
      "The address is blocked at the moment, so the password was not even looked at.\n"
      "Wait until the block ends, or ask your provider to end it.",
      "Reported by Dovecot, which had asked the guard before. It never counts as a failed login.")

CAUSE(
    AUTH_KNOWN, "auth-known-password", "A failed login with the password that was right last time",
    WHO_ADMINISTRATOR, 0, "", "Login failed with a password that was right last time", TELL_TEXT,
    "Either the password was changed and this device still has the old one, or the server could not look it "
    "up.\n"
    "If you changed it, enter the new one there; else try again later.",
    "Not counted. If many accounts show this at once, the login store behind Dovecot is broken: look at "
    "its log. If it is one account, its password was changed and nobody has logged in with the new one yet.")

CAUSE(AUTH_TOO_FAST, "auth-too-many-a-minute", "Too many failed logins a minute", WHO_USER, 454, "4.7.0",
      "Temporary authentication failure: too many failed logins from {address}", TELL_FIX,
      "Too many logins from your address failed within a minute.\n"
      "Look for a device with a wrong password, and correct it there.\n"
      "Try again in a minute.",
      "The address is in guard.allow, so it is never blocked; guard.allow_failures is how many failed logins "
      "a minute it may have. The log shows which accounts and devices (HELO) they were.")

/* ---- blocked by the guard: a greeting of 554 carries no enhanced code, see above ---- */

CAUSE(BLOCKED_FAILURES, "blocked-failed-logins", "Blocked after failed logins", WHO_USER, 554, "5.7.1",
      "Too many failed logins from {address}: blocked for a while", TELL_FIX,
      "Logins from your address failed too often, so it is blocked for a while.\n"
      "Look for a device that has a wrong password, and correct it there, or it will be blocked again.\n"
      "Then wait until the block ends, or ask your provider to end it.",
      "guard.max_failures within guard.window were reached. The log shows account and device (HELO) of each "
      "failed login from that address. A block ends by itself (guard.block_for).")

CAUSE(BLOCKED_UNKNOWN, "blocked-unknown-accounts", "Blocked after logins to accounts that do not exist",
      WHO_USER, 554, "5.7.1", "Too many logins to unknown accounts from {address}: blocked for a while",
      TELL_FIX,
      "Several account names were tried from your address that do not exist here.\n"
      "Check the account name in your mail program: it is the full email address.\n"
      "Then wait until the block ends, or ask your provider to end it.",
      "guard.unknown_accounts different names that do not exist were tried: mostly an attack, sometimes a "
      "mail program that guesses its settings. The log shows the names as sent.")

CAUSE(BLOCKED_BOTNET, "blocked-account-attacked", "Blocked while many addresses attack one account", WHO_USER,
      554, "5.7.1", "This account is under attack: unknown addresses are refused for now", TELL_FIX,
      "Many strangers are trying to guess the password of this account at the moment.\n"
      "From a place where you logged in before it works as always.\n"
      "From a new place, wait an hour, or ask your provider to let your address in.",
      "More than guard.botnet_addresses addresses failed on this account within guard.window. Addresses from "
      "which it logged in within guard.known_for are let in; for another one, use guard.allow.")

CAUSE(BLOCKED_SPRAY, "blocked-password-sprayed", "Blocked while one password is tried on many accounts",
      WHO_USER, 554, "5.7.1", "This password is being tried on many accounts: refused for now", TELL_FIX,
      "The password that your device sent is being tried on many accounts at the moment.\n"
      "If it is yours, it is a very common one: choose another.\n"
      "Then wait until the block ends, or ask your provider to end it.",
      "More than guard.spray_accounts accounts were tried with this password within guard.window.")

CAUSE(BLOCKED_PAIR, "blocked-account-here", "This account is refused from this address", WHO_USER, 454,
      "4.7.0", "Too many failed logins for this account from {address}: refused for a while", TELL_FIX,
      "Logins to this account from your address failed too often. Other accounts there are not affected.\n"
      "Look for a device that has a wrong password for it, and correct it there.\n"
      "Then wait until this ends, or ask your provider to end it.",
      "Other people logged in from this address lately (guard.office_within), so only this account is shut "
      "out from it, after guard.max_failures. The log shows which device (HELO) it was.")

CAUSE(BLOCKED_NETWORK, "blocked-network", "Blocked with its whole network", WHO_ADMINISTRATOR, 554, "5.7.1",
      "Too many failed logins from the network of {address}: blocked for a while", TELL_FIX,
      "Many addresses of your network were used to guess passwords, so all of it is blocked for a while.\n"
      "Try another network, or ask your provider to let your address in.",
      "guard.widen parts of this IPv6 network were blocked at the same time. Put addresses that you know "
      "into guard.allow.")

CAUSE(BLOCKED_BY_HAND, "blocked-by-administrator", "Blocked by an administrator", WHO_ADMINISTRATOR, 554,
      "5.7.1", "{address} is blocked", TELL_FIX,
      "The administrator of this mail server has blocked your address.\n"
      "Ask your provider why, and to end it.",
      "Blocked by a command or on the page; its reason stands in the list of blocks.")

/* ---- who may send what where (RFC 6409) ---- */

/* RFC 6409, section 4.3 lets a submission server demand a login. */
CAUSE(SUBMISSION_NO_LOGIN, "submission-no-login", "Sending without a login", WHO_USER, 550, "5.7.1",
      "SMTP AUTH is required for message submission on port {port}", TELL_FIX,
      "Your mail program does not log in for sending.\n"
      "In its settings for the outgoing server (SMTP), switch on the login (authentication).\n"
      "Use the same account name and password as for receiving mail.",
      "Nothing to change on the server: submission ports take mail only after a login.")

CAUSE(SUBMISSION_NO_LOGIN_NO_TLS, "submission-no-login-no-tls",
      "Sending without a login and without encryption", WHO_USER, 550, "5.7.1",
      "SMTP AUTH is required for message submission on port {port}", TELL_FIX,
      "Your mail program does not log in for sending, and uses no encryption.\n"
      "In its settings for the outgoing server (SMTP), switch on SSL/TLS (port 465) or STARTTLS (port 587).\n"
      "Then switch on the login (authentication), with the same account name and password as for receiving "
      "mail.",
      "Nothing to change on the server: submission ports take mail only after a login, and offer the login "
      "only inside TLS (tls.required_for_auth).")

CAUSE(RELAY_NO_LOGIN, "relay-no-login", "Mail for another domain without a login", WHO_USER, 550, "5.7.1",
      "Please turn on SMTP Authentication in your mail client", TELL_FIX,
      "({helo}) [{address}]:{port} is not permitted to relay through this server without authentication.\n"
      "In your mail program's settings for the outgoing server (SMTP), set port 587 with STARTTLS, or port "
      "465 with SSL/TLS.\n"
      "Switch on the login (authentication), with the same account name and password as for receiving mail.",
      "Nothing to change for a mail program: it has to log in. If the recipient's domain is yours, add it to "
      "local.domains.")

CAUSE(
    SENDER_NOT_OWNED, "sender-not-owned", "The sender is not the account that is logged in", WHO_USER, 553,
    "5.7.1", "<{sender}>: Sender address rejected: not owned by user {account}", TELL_FIX,
    "You are logged in as {account}, but the message says that it comes from {sender}.\n"
    "Allowed for this login: {account}\n"
    "Set your mail program's sender address (From) to that, or log in with the account of the other address.",
    "auth.sender_must_match lets a login send as itself only. It protects the other accounts: leave it on, "
    "and give the address an account of its own (`gatepost account add`).")

/* RFC 3463, section 3.5: X.4.4, unable to route. */
CAUSE(RELAY_NO_SMARTHOST, "relay-no-smarthost", "No way to other domains", WHO_ADMINISTRATOR, 550, "5.4.4",
      "Unable to route mail for {domain}: relay.smarthost is not set", TELL_FIX,
      "This mail server takes mail for its own addresses only. Check the address of the recipient.\n"
      "If it is right, tell the server's administrator what this message says.",
      "Set relay.smarthost to the server that takes mail for other domains, and relay.user with "
      "relay.password_file if it wants a login. If the domain is yours, add it to local.domains.")

CAUSE(RECIPIENT_UNKNOWN, "recipient-unknown", "No such mailbox", WHO_USER, 550, "5.1.1",
      "<{recipient}>: Unknown user", TELL_FIX,
      "There is no mailbox with this address here.\n"
      "Check the spelling of the recipient's address.",
      "`gatepost account list` shows the mailboxes; `gatepost account add` makes one. Mail for postmaster "
      "goes to local.postmaster.")

/* ---- syntax and order (RFC 5321) ---- */

CAUSE(SENDER_SYNTAX, "sender-syntax", "The sender's address is malformed", WHO_USER, 501, "5.1.7",
      "Syntax error in the sender's address: {reason}", TELL_FIX,
      "Check the sender address (From) in your mail program: it has the form name@example.com.\n"
      "Remove spaces, commas and letters that are not plain English ones.",
      "The path behind MAIL FROM is not one (RFC 5321, section 4.1.2); internationalized addresses "
      "(SMTPUTF8) are not offered. Nothing to change on the server.")

CAUSE(RECIPIENT_SYNTAX, "recipient-syntax", "The recipient's address is malformed", WHO_USER, 501, "5.1.3",
      "Syntax error in the recipient's address: {reason}", TELL_FIX,
      "Check the recipient's address: it has the form name@example.com.\n"
      "Remove spaces, commas and letters that are not plain English ones.",
      "The path behind RCPT TO is not one (RFC 5321, section 4.1.2); internationalized addresses (SMTPUTF8) "
      "are not offered. Nothing to change on the server.")

/* RFC 5321, section 4.1.1.11: 555. */
CAUSE(PARAMETER_UNKNOWN, "parameter-unknown", "A parameter that was not offered", WHO_USER, 555, "5.5.4",
      "Unsupported parameter: {parameter}", TELL_TEXT,
      "Your mail program asked for something that this mail server did not offer.\n"
      "Update the program; if you asked for a receipt of delivery, send without it.",
      "The client used an extension that EHLO did not announce. Nothing to change on the server.")

CAUSE(PARAMETER_SYNTAX, "parameter-syntax", "A malformed parameter", WHO_USER, 501, "5.5.4",
      "Syntax error in parameter {parameter}", TELL_TEXT,
      "Your mail program sent something that does not keep to the rules of mail.\n"
      "Update the program.",
      "The client's software is wrong. Nothing to change on the server.")

/* RFC 5321, section 4.2.4: 500 for what is not recognized, 502 for what is recognized but not implemented. */
CAUSE(COMMAND_UNKNOWN, "command-unknown", "An unknown command", WHO_USER, 500, "5.5.1",
      "Unrecognized command", TELL_TEXT,
      "The program that connected does not speak the language of mail servers as it should.\n"
      "If it is your mail program, update it; if a security program or firewall rewrites mail, switch that "
      "part off.",
      "Mostly a scanner. If it is a mail program, look for a firewall or antivirus program between that "
      "rewrites SMTP (commands of X letters); port 465 (listen.submissions) passes them untouched.")

CAUSE(COMMAND_NOT_IMPLEMENTED, "command-not-implemented", "A command that this server does not have",
      WHO_NOBODY, 502, "5.5.1", "Command not implemented", TELL_TEXT,
      "The program that connected used a command that mail servers no longer have.\n"
      "If it is your mail program, update it.",
      "EXPN, TURN, SEND and the like are left out on purpose. Nothing to change on the server.")

CAUSE(COMMAND_SYNTAX, "command-syntax", "A malformed command", WHO_USER, 501, "5.5.4",
      "Syntax error: {reason}", TELL_TEXT,
      "Your mail program sent something that does not keep to the rules of mail.\n"
      "Update the program.",
      "The client's software is wrong. Nothing to change on the server.")

CAUSE(COMMAND_ORDER, "command-order", "Commands in the wrong order", WHO_USER, 503, "5.5.1",
      "Bad sequence of commands: {expected}", TELL_TEXT,
      "Your mail program did its steps in the wrong order.\n"
      "Send once more; if that does not help, update the program.",
      "The client's software is wrong, or it went on after a refusal; the lines before this one in the log "
      "show which.")

/* RFC 5321, section 4.5.3.1.9: 500 "Line too long". X.5.6 is for logins only (RFC 4954, section 6). */
CAUSE(COMMAND_LINE_TOO_LONG, "command-line-too-long", "A command line that is too long", WHO_USER, 500,
      "5.5.2", "Line too long", TELL_TEXT,
      "Your mail program sent a line that is far too long.\n"
      "Check sender and recipients; if they are right, update the program.",
      "The line was longer than limit.command_line. Real commands are far shorter.")

CAUSE(HELO_SYNTAX, "helo-syntax", "A malformed HELO or EHLO", WHO_USER, 501, "",
      "Syntactically invalid HELO or EHLO argument", TELL_TEXT,
      "Your mail program gave a computer name that cannot be one.\n"
      "Remove spaces and unusual letters from the name of your computer or device, or update the program.",
      "The client said HELO or EHLO without a name, or with one that is longer than 255 bytes or has blanks "
      "or control characters in it. Nothing to change on the server.")

CAUSE(HELO_FIRST, "helo-first", "No HELO or EHLO at the beginning", WHO_USER, 503, "5.5.1",
      "HELO or EHLO required", TELL_TEXT,
      "The program that connected did not say hello first, as mail programs do.\n"
      "If it is your mail program, update it.",
      "The client's software is wrong, or forgot to say EHLO again after STARTTLS (RFC 3207, section 4.2).")

CAUSE(EARLY_TALKER, "spoke-too-early", "The client spoke before the greeting", WHO_NOBODY, 554, "",
      "SMTP synchronization error", TELL_TEXT,
      "The program that connected did not wait for the mail server's greeting.\n"
      "If it is your mail program, update it.",
      "Mail programs wait for the greeting (RFC 5321, section 3.1); this is mostly a scanner or a bot. "
      "Nothing to change on the server.")

/* ---- TLS (RFC 3207, RFC 8314) ---- */

CAUSE(STARTTLS_ACTIVE, "starttls-active", "STARTTLS inside TLS", WHO_USER, 503, "5.5.1", "TLS already active",
      TELL_TEXT,
      "Your mail program switched the encryption on twice, which is a mistake of the program.\n"
      "Set the security to SSL/TLS if the port is 465, or update the program.",
      "The client's software is wrong. Nothing to change on the server.")

/* RFC 3207, section 4: 454. */
CAUSE(STARTTLS_UNAVAILABLE, "starttls-unavailable", "Encryption is not available", WHO_ADMINISTRATOR, 454,
      "4.7.0", "TLS not available due to temporary reason", TELL_FIX,
      "The mail server cannot switch on encryption at the moment. Do not send or log in without it.\n"
      "Try again later; if it lasts, tell the server's administrator what this message says.",
      "Check tls.certificate and tls.key: both must be set, readable and belong together. The log says at "
      "start and at each reload what is wrong with them.")

/* RFC 3207, section 6, and CVE-2011-0411: what comes before the handshake was not protected by it. */
CAUSE(STARTTLS_INJECTION, "starttls-injection", "Commands behind STARTTLS before the encryption", WHO_NETWORK,
      554, "5.5.1", "Commands behind STARTTLS refused: wait for the handshake", TELL_TEXT,
      "Something sent commands into your connection before its encryption began.\n"
      "If it happens again, use another network, and SSL/TLS with port 465.",
      "Either an attacker in the network puts commands into the connection, or the client does not wait for "
      "the answer to STARTTLS (RFC 3207, section 4). The connection was closed and nothing of it was used.")

CAUSE(TLS_TOO_OLD, "tls-too-old", "The client's TLS is too old", WHO_USER, 0, "",
      "TLS handshake failed: unsupported protocol", TELL_TEXT,
      "Your mail program or system only knows encryption that is no longer safe.\n"
      "Install the updates of the system, then those of the mail program.\n"
      "If there are none any more, use a newer program or device.",
      "The newest TLS version that the client offers is older than tls.min_version. Versions below 1.2 are "
      "unsafe; have the client updated.")

CAUSE(TLS_NO_SHARED_CIPHER, "tls-no-shared-cipher", "No cipher in common", WHO_ADMINISTRATOR, 0, "",
      "TLS handshake failed: no shared cipher", TELL_TEXT,
      "Your mail program and the mail server have no way to encrypt in common.\n"
      "Install the updates of the system and of the mail program.",
      "Compare what the client offers (in the log) with tls.ciphers and tls.ciphersuites; empty settings "
      "mean OpenSSL's own choice. A certificate with an ECDSA key in tls.certificate shuts out clients that "
      "know RSA only, and the other way round.")

CAUSE(TLS_UNKNOWN_CA, "tls-unknown-ca", "The client does not trust the certificate", WHO_ADMINISTRATOR, 0, "",
      "TLS handshake failed: the client does not know who issued the certificate", TELL_TEXT,
      "Your mail program does not trust the mail server's certificate. Do not switch the encryption off.\n"
      "Check the name of the outgoing server (SMTP) in the settings: use the one that your provider gives.\n"
      "If an antivirus program checks your mail, switch that part off.",
      "Put the whole chain into tls.certificate: the server's certificate, then the intermediate ones. A "
      "self-signed certificate is not trusted by anyone who did not install it. If only some clients fail, "
      "an antivirus program may be between.")

CAUSE(TLS_BAD_CERTIFICATE, "tls-bad-certificate", "The client refuses the certificate", WHO_ADMINISTRATOR, 0,
      "", "TLS handshake failed: the client refuses the certificate", TELL_TEXT,
      "Your mail program refuses the mail server's certificate. Do not switch the encryption off.\n"
      "Check the name of the outgoing server (SMTP) in the settings: use the one that your provider gives.\n"
      "Check the date and time of your device.",
      "Mostly the name that the client uses is not in tls.certificate (the log shows the server name it "
      "asked for), or the client's clock is wrong.")

CAUSE(TLS_CERTIFICATE_EXPIRED, "tls-certificate-expired", "The certificate is out of date", WHO_ADMINISTRATOR,
      0, "", "TLS handshake failed: the client says that the certificate has expired", TELL_TEXT,
      "Your mail program says that the mail server's certificate is out of date. Do not switch the "
      "encryption off.\n"
      "Check the date and time of your device.\n"
      "If they are right, tell your provider.",
      "Renew the certificate in tls.certificate and reload (SIGHUP). If it is still valid, the client's "
      "clock is ahead.")

CAUSE(TLS_GAVE_UP, "tls-gave-up", "The client left during the handshake", WHO_NETWORK, 0, "",
      "TLS handshake failed: unexpected eof", TELL_TEXT,
      "The connection ended while the encryption was being set up.\n"
      "Try again, and confirm the certificate only if your provider told you to.\n"
      "If it happens again, try another network, or switch off mail checking in your antivirus program.",
      "Someone cancelled at a question about the certificate, or a box between ended the connection. If many "
      "clients do it, look at the certificate (tls.certificate) from outside.")

CAUSE(TLS_TIMEOUT, "tls-timeout", "The handshake took too long", WHO_NETWORK, 0, "",
      "TLS handshake failed: timed out", TELL_TEXT,
      "The encryption could not be set up in time.\n"
      "Try again; if it happens again, try another network.",
      "The handshake was not complete within limit.login_wait. A slow network, a question about the "
      "certificate that nobody answered, or a scanner.")

CAUSE(TLS_OTHER, "tls-other", "The handshake failed", WHO_NETWORK, 0, "", "TLS handshake failed: {reason}",
      TELL_TEXT,
      "The encryption could not be set up.\n"
      "Try again; if it happens again, update the mail program and try another network.",
      "The log has OpenSSL's reason and what the client offered. Single cases are mostly scanners.")

/* ---- wrong ports: no greeting was read yet, so no enhanced codes (RFC 2034, section 4) ---- */

CAUSE(
    TLS_ON_PLAIN_PORT, "tls-on-plain-port", "SSL/TLS on a port that begins in plain text", WHO_USER, 554, "",
    "Port {port} does not begin with SSL/TLS: choose STARTTLS for it, or SSL/TLS with port 465", TELL_TEXT,
    "Your mail program uses SSL/TLS with a port that needs STARTTLS.\n"
    "In the settings of the outgoing server (SMTP), choose SSL/TLS with port 465, or STARTTLS with port 587.",
    "Nothing to change on the server. If you have no port 465 yet, offer one with listen.submissions.")

CAUSE(
    PLAIN_ON_TLS_PORT, "plain-on-tls-port", "Plain text on a port that begins with SSL/TLS", WHO_USER, 554,
    "", "Port {port} expects SSL/TLS from the start: choose SSL/TLS for it, or STARTTLS with port 587",
    TELL_TEXT,
    "Your mail program uses no encryption, or STARTTLS, with a port that needs SSL/TLS.\n"
    "In the settings of the outgoing server (SMTP), choose SSL/TLS with port 465, or STARTTLS with port 587.",
    "Nothing to change on the server. If you have no port 587 yet, offer one with listen.submission.")

CAUSE(
    SILENCE_ON_TLS_PORT, "silence-on-tls-port", "A client that waits for a greeting on an SSL/TLS port",
    WHO_USER, 554, "",
    "Port {port} expects SSL/TLS from the start: choose SSL/TLS for it, or STARTTLS with port 587", TELL_TEXT,
    "Your mail program waited for the mail server to speak first: it uses no encryption, or STARTTLS, with a "
    "port that needs SSL/TLS.\n"
    "In the settings of the outgoing server (SMTP), choose SSL/TLS with port 465, or STARTTLS with port 587.",
    "Nothing to change on the server. It waits for the time of tls.silence before it says so; a watchdog "
    "that only opens the connection ends up here, too.")

CAUSE(HTTP_ON_MAIL_PORT, "http-on-mail-port", "A web browser on a mail port", WHO_NOBODY, 554, "",
      "This is a mail server, not a web server", TELL_TEXT,
      "You opened the address of the mail server in a web browser.\n"
      "Set it up as the outgoing server (SMTP) in a mail program.",
      "A browser or a scanner. Nothing to change on the server.")

/* ---- limits ---- */

CAUSE(CONNECTIONS_ALL, "limit-connections", "Too many connections", WHO_ADMINISTRATOR, 421, "",
      "{hostname} Too many concurrent SMTP connections; please try again later", TELL_TEXT,
      "The mail server has too much to do at the moment.\n"
      "Try again in a few minutes.",
      "limit.connections was reached. `gatepost status` shows how many there are; raise it if the clients "
      "are yours.")

CAUSE(CONNECTIONS_ADDRESS, "limit-connections-per-address", "Too many connections from one address", WHO_USER,
      421, "", "{hostname} Too many concurrent SMTP connections from this IP address; please try again later",
      TELL_TEXT,
      "Too many connections came from your address at once.\n"
      "Close mail programs that you do not need, or let them use fewer connections.\n"
      "Try again in a few minutes.",
      "limit.connections_per_address was reached. Raise it if many people share that address; look for a "
      "program out of control if they do not.")

/* RFC 1870, section 6.1 and RFC 5321, section 4.5.3.1.9: 552. */
CAUSE(MESSAGE_TOO_LARGE, "message-too-large", "The message is too large", WHO_USER, 552, "5.3.4",
      "Message size exceeds maximum permitted", TELL_FIX,
      "The message is larger than {max}. Attachments grow by a third when they are sent.\n"
      "Send fewer or smaller attachments, or put the file on the web and send a link to it.",
      "message.max_size sets the limit.")

/* RFC 5321, section 4.5.3.1.10: 452, so that clients send the rest later. */
CAUSE(TOO_MANY_RECIPIENTS, "too-many-recipients", "Too many recipients", WHO_USER, 452, "4.5.3",
      "Too many recipients", TELL_FIX,
      "One message may have at most {max} recipients here.\n"
      "Send it in several parts, or use a mailing list.",
      "limit.recipients sets the limit. An account that suddenly writes to that many people may be used by "
      "someone else.")

CAUSE(TOO_MANY_MESSAGES, "too-many-messages", "Too many messages in one connection", WHO_NOBODY, 421, "4.7.0",
      "{hostname} Too many messages in this connection - please connect again", TELL_TEXT,
      "Your mail program sent very many messages at a stretch.\n"
      "Send the rest once more; the program then begins a new connection.",
      "limit.messages sets the limit. Well-made clients connect again by themselves.")

CAUSE(TOO_MANY_ERRORS, "too-many-errors", "Too many refused commands", WHO_USER, 421, "4.7.0",
      "{hostname} Too many syntax or protocol errors - closing connection", TELL_TEXT,
      "The mail server refused too much of what your mail program sent.\n"
      "Look at the first thing that was refused, and mend that.",
      "limit.errors was reached. The lines before this one in the log show what was refused.")

CAUSE(TOO_MANY_IDLE_COMMANDS, "too-many-idle-commands", "Too many commands that move no mail", WHO_USER, 421,
      "4.7.0", "{hostname} Too many nonmail commands - closing connection", TELL_TEXT,
      "The program that connected kept the connection busy without sending mail.\n"
      "If it is your mail program, send once more; if that does not help, update it.",
      "limit.idle_commands was reached: mostly a scanner, or a client that holds its connection with NOOP.")

CAUSE(COMMAND_TIMEOUT, "command-timeout", "The client fell silent", WHO_NETWORK, 421, "4.4.2",
      "{hostname} SMTP command timeout - closing connection", TELL_TEXT,
      "Your mail program said nothing for too long.\n"
      "Send once more; if it happens again, check your network.",
      "No command came for the time of limit.command_wait. Harmless in single cases.")

CAUSE(LOGIN_TIMEOUT, "login-timeout", "No login in time", WHO_USER, 421, "4.4.2",
      "{hostname} No login in time - closing connection", TELL_TEXT,
      "Your mail program connected, but did not log in.\n"
      "Check that the login (authentication) is switched on in the settings of the outgoing server (SMTP).\n"
      "If it asks about a certificate or a password, answer sooner.",
      "No login within limit.login_wait: a probe, a client that does not accept the certificate, or one that "
      "waits for a person.")

CAUSE(DATA_TIMEOUT, "data-timeout", "The message stopped on its way", WHO_NETWORK, 421, "4.4.2",
      "{hostname} SMTP incoming data timeout - closing connection", TELL_TEXT,
      "The message got stuck on its way to the mail server.\n"
      "Send it once more; if it happens again, try another network, or a smaller message.",
      "No part of the message came for the time of limit.data_wait. If large messages always get stuck, look "
      "for a network that drops large packets (MTU).")

CAUSE(SESSION_TIMEOUT, "session-timeout", "The connection lasted too long", WHO_NETWORK, 421, "4.4.2",
      "{hostname} Connection lasted too long - please connect again", TELL_TEXT,
      "The connection lasted longer than the mail server allows.\n"
      "Send once more; if large messages do not get through, try a faster network.",
      "limit.session was reached. Raise it if slow clients send large messages.")

CAUSE(SHUTTING_DOWN, "shutting-down", "The server is being stopped", WHO_NOBODY, 421, "4.3.2",
      "{hostname} Server shutting down - please try again later", TELL_TEXT,
      "The mail server is being restarted.\n"
      "Try again in a minute.",
      "The server was told to stop; limit.drain is how long connections may go on.")

/* ---- the message ---- */

/* RFC 5321, section 2.3.8: lines end with CRLF and nothing else. A policy refusal behind DATA is 550
 * (section 4.3.2). */
CAUSE(BARE_LINE_END, "bare-line-end", "Wrong line ends in the message", WHO_USER, 550, "5.6.0",
      "Message has a bare CR or LF: lines must end with CRLF", TELL_FIX,
      "The program that sent this message ends its lines in a wrong way.\n"
      "Update it, or tell those who made it what this message says.",
      "Refused because such lines let an attacker hide one message in another (SMTP smuggling). Mail "
      "programs that log in are not affected; have the sending server mended.")

/* RFC 5321, section 4.5.3.1.9: 500 "Line too long". */
CAUSE(LINE_TOO_LONG, "line-too-long", "A line of the message is too long", WHO_USER, 500, "5.6.0",
      "Line too long", TELL_FIX,
      "A line of the message is longer than {max} bytes, which mail does not allow.\n"
      "Update your mail program; programs that make mail themselves should break lines or use base64.",
      "limit.text_line sets the limit; RFC 5321 allows 1,000 bytes.")

CAUSE(HEADER_TOO_LARGE, "header-too-large", "The message's header is too large", WHO_USER, 552, "5.3.4",
      "Message header size exceeds maximum permitted", TELL_FIX,
      "The part before the text (recipients, subject and so on) is larger than {max}.\n"
      "Write to fewer people at once, or begin a new message instead of answering an old one.",
      "limit.header sets the limit.")

/* RFC 5321, section 6.3; RFC 3463, section 3.5: X.4.6, routing loop. */
CAUSE(MAIL_LOOP, "mail-loop", "The message goes round in circles", WHO_ADMINISTRATOR, 554, "5.4.6",
      "Too many \"Received\" headers - suspected mail loop", TELL_TEXT,
      "The message went round in circles between mail servers.\n"
      "Look for two addresses that forward to each other, and end one of the two.",
      "The message has more Received lines than limit.received allows. They show which servers pass it "
      "round: look at forwarding, local.domains, and a relay.smarthost that sends it back.")

CAUSE(
    NO_RECIPIENTS, "no-recipients", "A message without a recipient", WHO_USER, 554, "5.5.1",
    "No valid recipients", TELL_TEXT,
    "None of the recipients was accepted; the answers before this one say why.\n"
    "Check the addresses.",
    "The client went on although every recipient was refused. The lines before this one in the log say why.")

/* ---- this server's own trouble ---- */

CAUSE(SPOOL_FULL, "spool-full", "No space for the message", WHO_ADMINISTRATOR, 452, "4.3.1",
      "Insufficient system storage", TELL_FIX,
      "The mail server has no space for the message at the moment. Your settings are right.\n"
      "Try again later.",
      "The disk of data_dir is full. Make space, or move data_dir; the server goes on by itself, nothing "
      "that it accepted is lost.")

CAUSE(SPOOL_BROKEN, "spool-broken", "The message could not be stored", WHO_ADMINISTRATOR, 451, "4.3.0",
      "Temporary local problem - please try later", TELL_FIX,
      "The mail server cannot store the message at the moment. Your settings are right.\n"
      "Try again later.",
      "The queue in data_dir could not be written; the log says why. Check that its disk is there and "
      "writable, and that the files belong to `user`. The server goes on by itself once that is mended.")

CAUSE(STORE_BROKEN_RECIPIENT, "recipient-check-failed", "The recipient cannot be checked at the moment",
      WHO_ADMINISTRATOR, 451, "4.3.0", "Temporary local problem - please try later", TELL_FIX,
      "The mail server cannot check the recipient's address at the moment. Your settings are right.\n"
      "Try again later.",
      "The account store (auth.store) could not be read; the log says why. Check the disk of data_dir, and "
      "that accounts.db in it belongs to `user`.")

CAUSE(LOST_CONNECTION, "lost-connection", "The connection was lost", WHO_NETWORK, 0, "",
      "Connection lost: {reason}", TELL_TEXT,
      "The connection to the mail server was cut.\n"
      "Send once more; if it happens again, check your network.",
      "The client went away without QUIT. Harmless in single cases; if large messages are lost, look for a "
      "network that drops large packets (MTU).")

/* ---- delivery: enhanced is the status of the bounce or delay (RFC 3464) where the other server named none
 * ---- */

CAUSE(DELIVERY_EXPIRED, "delivery-expired", "Delivery was given up after a long time", WHO_ADMINISTRATOR, 0,
      "5.4.7", "Delivery time expired: {answer}", TELL_TEXT,
      "The message could not be delivered for a long time, and was given up.\n"
      "Check the recipient's address; if it is right, send once more later, or reach the recipient in "
      "another way.",
      "queue.lifetime is over. The last answer says what stood in the way; earlier attempts are in the log.")

CAUSE(DELIVERY_REFUSED, "delivery-refused", "The other server refused the message", WHO_USER, 0, "5.0.0",
      "{remote} refused the message: {answer}", TELL_TEXT,
      "The recipient's mail server refused the message, and said why in the line above.\n"
      "Check the recipient's address and what the line says.",
      "A final refusal (5xx) of the next server: its words are in the log and in the bounce. If it refuses "
      "everything, it does not like this server: check relay.smarthost, relay.user and the sender's domain.")

CAUSE(DELIVERY_DEFERRED, "delivery-deferred", "The other server put the message off", WHO_NOBODY, 0, "4.0.0",
      "{remote} put the message off: {answer}", TELL_TEXT,
      "The recipient's mail server asked to try again later, and that is done by itself.\n"
      "You need not send the message again.",
      "Retries go by queue.retry until queue.lifetime is over. `gatepost queue show` has the other server's "
      "answer; `gatepost queue retry` tries at once.")

CAUSE(
    DELIVERY_UNREACHABLE, "delivery-unreachable", "The other server cannot be reached", WHO_ADMINISTRATOR, 0,
    "4.4.1", "{remote} cannot be reached: {reason}", TELL_TEXT,
    "The next mail server cannot be reached at the moment; it is tried again by itself.\n"
    "You need not send the message again.",
    "Check that name and port in relay.smarthost (or in local.delivery for LMTP) are right, that the server "
    "runs, and that no firewall is between. Many networks block port 25: use 587 or 465 with relay.user.")

CAUSE(DELIVERY_NO_ROUTE, "delivery-no-route", "No way to the recipient", WHO_ADMINISTRATOR, 0, "5.4.4",
      "Unable to route mail for {domain}", TELL_TEXT,
      "The mail server knows no way to the recipient's domain. Check the address.\n"
      "If it is right, tell the server's administrator what this message says.",
      "The domain is not in local.domains, and relay.smarthost is not set. Set one of them; mail that comes "
      "in later will find its way.")

/* RFC 3463, section 3.8: X.7.5, cryptographic failure. */
CAUSE(DELIVERY_TLS, "delivery-tls", "No safe connection to the smarthost", WHO_ADMINISTRATOR, 0, "4.7.5",
      "No safe connection to {remote}: {reason}", TELL_TEXT,
      "The mail server could not send the message on safely; it is tried again by itself.\n"
      "You need not send the message again.",
      "The smarthost offered no STARTTLS, or its certificate is not trusted. Check that relay.smarthost has "
      "the name in the certificate, that relay.tls fits the port (implicit for 465, starttls for 587), and "
      "that relay.ca_file, if set, holds its authority.")

CAUSE(DELIVERY_LOGIN, "delivery-login", "The smarthost refuses our login", WHO_ADMINISTRATOR, 0, "4.7.8",
      "{remote} refused the login: {answer}", TELL_TEXT,
      "The mail server could not send the message on; it is tried again by itself.\n"
      "You need not send the message again.",
      "Check relay.user and the first line of relay.password_file; the smarthost's answer is in the log. A "
      "login needs relay.tls to be starttls or implicit at most servers.")

CAUSE(DELIVERY_MAILDIR, "delivery-maildir", "The mailbox cannot be written", WHO_ADMINISTRATOR, 0, "4.3.0",
      "Cannot deliver to {path}: {reason}", TELL_TEXT,
      "The message is safe, but cannot be put into the mailbox at the moment; it is tried again by itself.\n"
      "You need not send the message again.",
      "Check that the folder in local.delivery is there, not full, and writable for `user`.")
