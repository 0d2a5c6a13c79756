"""The configuration of a private Dovecot, in the words of 2.3 or of 2.4. All
that the tests know about the difference between the two stands here."""

import dataclasses
import functools
import grp
import os
import pwd
import subprocess


@functools.cache
def version():
    """(2, 3) or (2, 4)"""
    text = subprocess.run(["dovecot", "--version"], check=True,
                          capture_output=True, text=True).stdout
    return tuple(int(part) for part in text.split(".")[:2])


@dataclasses.dataclass
class Options:
    """What a test may ask for. The defaults are those of a stock Dovecot that
    knows the users alice and bob, with our two lines in it."""
    # name -> extra userdb fields, and "plugins": False for a user whose own
    # plugin list lacks ours
    users: dict = dataclasses.field(
        default_factory=lambda: {"alice": {}, "bob": {}})
    coi: bool = True
    driver: str = "sdbox"
    layout: str = ""            # fs or Maildir++; empty: the driver's own
    prefix: str = ""            # of the inbox namespace
    separator: str = "/"
    namespaces: dict = dataclasses.field(default_factory=dict)  # prefix -> separator
    public: str = ""            # prefix of a namespace that all users share
    sieve: bool = False
    sieve_before: str = ""      # text of an admin's script
    settings: dict = dataclasses.field(default_factory=dict)    # coi_* and such
    quota: int = 0              # messages
    metadata: bool = False      # imap_metadata
    attribute_dict: bool = False
    hibernate: str = ""         # for example "1 secs", the shortest that 2.3 takes
    list_index: bool = True
    extra: str = ""             # lines that are the same in both versions


PASSWORD = "pass"


def _passwd_per_service(options):
    """2.3 needs a file for each service if a user has a plugin list: that is for
    all protocols there, and not every protocol can load every plugin. From such
    files doveadm cannot list all users."""
    return version() < (2, 4) and not all(
        fields.get("plugins", True) for fields in options.users.values())


def passwd_files(options, directory):
    """Path -> text."""
    names = {"passwd": ""}
    if _passwd_per_service(options):
        names |= {f"passwd.{service}": service
                  for service in ("imap", "lmtp", "lda", "doveadm")}
    return {directory / name: "".join(_passwd_line(options, user, service)
                                      for user in options.users)
            for name, service in names.items()}


def _passwd_line(options, user, service):
    fields = dict(options.users[user])
    extra = [] if fields.pop("plugins", True) else _without_plugins(options, service)
    extra += [f"userdb_{key}={value}" for key, value in fields.items()]
    return (f"{user}:{{PLAIN}}{PASSWORD}:{os.getuid()}:{os.getgid()}"
            f"::::{' '.join(extra)}\n")


def _without_plugins(options, service):
    if version() >= (2, 4):
        return ["userdb_mail_plugins/coi=no", "userdb_mail_plugins/imap_coi=no"]
    plugins = [name for name in _plugins(options) if name != "coi"]
    if options.sieve and service in ("lmtp", "lda"):
        plugins.append("sieve")
    # a field without a value would be one with the value "yes"
    return ["userdb_mail_plugins=" + (",".join(plugins) or ",")]


def _plugins(options):
    return (["quota"] if options.quota else []) + (["coi"] if options.coi else [])


def _block(head, *lines):
    """A block, or nothing if it would be empty."""
    body = [line for line in lines if line]
    if not body:
        return ""
    inner = "\n".join("  " + row for line in body for row in line.split("\n"))
    return f"{head} {{\n{inner}\n}}"


def _services(options):
    """The same in both versions: all as one unprivileged user, no chroot."""
    user, group = _owner()
    anyone = _block("unix_listener %s", f"user = {user}", "mode = 0600")
    return [
        "service anvil {\n  chroot =\n}",
        "service stats {\n  chroot =\n}",
        _block("service imap-login", "chroot =",
               _block("inet_listener imap", "port = $IMAP_PORT"),
               _block("inet_listener imaps", "port = 0")),
        _block("service lmtp", f"user = {user}", anyone % "lmtp",
               _block("inet_listener lmtp", "port = $LMTP_PORT")),
        options.hibernate and _block("service imap", anyone % "imap-master"),
        options.hibernate and _block(
            "service imap-hibernate",
            _block("unix_listener imap-hibernate", f"group = {group}", "mode = 0660")),
    ]


def _owner():
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def _common(options, directory):
    user, group = _owner()
    return [
        f"base_dir = {directory}/run",
        f"state_dir = {directory}/state",
        f"log_path = {directory}/log",
        "log_timestamp = \"%H:%M:%S \"",
        "listen = 127.0.0.1",
        "ssl = no",
        f"default_internal_user = {user}",
        f"default_internal_group = {group}",
        f"default_login_user = {user}",
        f"mail_uid = {user}",
        f"mail_gid = {group}",
        "first_valid_uid = 1",
        "first_valid_gid = 1",
        "postmaster_address = postmaster@example.org",
        "hostname = mail.example.org",
        f"sendmail_path = {directory}/sendmail",
        f"mailbox_list_index = {'yes' if options.list_index else 'no'}",
        f"imap_metadata = {'yes' if options.metadata else 'no'}",
        options.hibernate and f"imap_hibernate_timeout = {options.hibernate}",
        *_services(options),
    ]


def _inbox(options, head, *more):
    special = [_block(f"mailbox {name}", f"special_use = \\{name}")
               for name in ("Trash", "Junk")]
    return _block(head, "inbox = yes", f"prefix = {options.prefix}",
                  f"separator = {options.separator}", *special, *more)


def _config_23(options, directory):
    layout = f":LAYOUT={options.layout}" if options.layout else ""
    plugin = dict(options.settings)
    if options.quota:
        plugin |= {"quota": "count:User quota", "quota_vsizes": "yes",
                   "quota_rule": f"*:messages={options.quota}"}
    if options.sieve:
        plugin["sieve"] = "file:~/sieve;active=~/.dovecot.sieve"
        if options.sieve_before:
            plugin["sieve_before"] = f"{directory}/before.sieve"
    deliver = "mail_plugins = $mail_plugins sieve" if options.sieve else ""
    files = _block("KIND", "driver = passwd-file",
                   f"args = username_format=%u {directory}/FILE")
    return _common(options, directory) + [
        "protocols = imap lmtp",
        "disable_plaintext_auth = no",
        "auth_username_format = %Ln",
        f"mail_home = {directory}/home/%u",
        f"mail_location = {options.driver}:~/mail{layout}",
        f"mail_plugins = {' '.join(_plugins(options))}",
        options.attribute_dict and "mail_attribute_dict = file:%h/dovecot-attributes",
        _inbox(options, "namespace inbox"),
        *[_block(f"namespace ns{number}", f"prefix = {prefix}",
                 f"separator = {separator}",
                 f"location = {options.driver}:~/ns{number}{layout}")
          for number, (prefix, separator) in enumerate(options.namespaces.items())],
        options.public and _block(
            "namespace public", "type = public", f"prefix = {options.public}",
            f"separator = {options.separator}", "subscriptions = no",
            f"location = {options.driver}:{directory}/public{layout}"),
        files.replace("KIND", "passdb").replace("FILE", "passwd"),
        files.replace("KIND", "userdb").replace(
            "FILE", "passwd.%s" if _passwd_per_service(options) else "passwd"),
        _block("protocol imap", options.coi and
               "mail_plugins = $mail_plugins imap_coi"),
        _block("protocol lmtp", deliver),
        _block("protocol lda", deliver),
        _block("plugin", *[f"{key} = {value}" for key, value in plugin.items()]),
    ]


def _config_24(options, directory):
    files = _block("KIND passwd-file", f"passwd_file_path = {directory}/passwd")
    deliver = "mail_plugins {\n  sieve = yes\n}" if options.sieve else ""
    layout = f"mailbox_list_layout = {options.layout}" if options.layout else ""
    return ["dovecot_config_version = 2.4.0", "dovecot_storage_version = 2.4.0"] + \
        _common(options, directory) + [
        "protocols {\n  imap = yes\n  lmtp = yes\n}",
        "auth_allow_cleartext = yes",
        "auth_username_format = %{user | username | lower}",
        f"mail_home = {directory}/home/%{{user}}",
        f"mail_driver = {options.driver}",
        "mail_path = ~/mail",
        layout,
        _block("mail_plugins", *[f"{name} = yes" for name in _plugins(options)]),
        options.attribute_dict and _block("mail_attribute", _block(
            "dict file", "path = %{home}/dovecot-attributes")),
        _inbox(options, "namespace inbox"),
        *[_block(f"namespace ns{number}", f"prefix = {prefix}",
                 f"separator = {separator}", f"mail_path = ~/ns{number}")
          for number, (prefix, separator) in enumerate(options.namespaces.items())],
        options.public and _block(
            "namespace public", "type = public", f"prefix = {options.public}",
            f"separator = {options.separator}", "subscriptions = no",
            f"mail_path = {directory}/public"),
        files.replace("KIND", "passdb"),
        files.replace("KIND", "userdb"),
        _block("protocol imap", options.coi and _block("mail_plugins", "imap_coi = yes")),
        _block("protocol lmtp", deliver),
        _block("protocol lda", deliver),
        options.quota and f"quota_message_count = {options.quota}",
        options.quota and 'quota "User quota" {\n}',
        options.sieve and _block("sieve_script personal", "driver = file",
                                 "path = ~/sieve", "active_path = ~/.dovecot.sieve"),
        options.sieve_before and _block("sieve_script before", "type = before",
                                        "driver = file",
                                        f"path = {directory}/before.sieve"),
        *[f"{key} = {value}" for key, value in options.settings.items()],
    ]


def config(options, directory, imap_port, lmtp_port):
    make = _config_24 if version() >= (2, 4) else _config_23
    lines = make(options, directory) + [options.extra]
    text = "\n".join(line for line in lines if line) + "\n"
    return (text.replace("$IMAP_PORT", str(imap_port))
                .replace("$LMTP_PORT", str(lmtp_port)))
