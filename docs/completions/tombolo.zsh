#compdef tombolo

autoload -U is-at-least

_tombolo() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo_commands" \
"*::: :->tombolo" \
&& ret=0
    case $state in
    (tombolo)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-command-$line[1]:"
        case $line[1] in
            (demo)
_arguments "${_arguments_options[@]}" : \
'--network=[Which network engine to use]:NETWORK:((auto\:"Real packets where the machine can, else simulated"
ebpf\:"Real packets, or an error"
simulated\:"No packets\: the APIs and their states only"))' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--keep[Connect again at the end, and leave everything running until Ctrl-C]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(dev)
_arguments "${_arguments_options[@]}" : \
'--listen=[Where the API listens, on this machine only; port 0 takes a free one]:ADDR:_default' \
'--network=[Which network engine to use]:NETWORK:((auto\:"Real packets where the machine can, else simulated"
ebpf\:"Real packets, or an error"
simulated\:"No packets\: the APIs and their states only"))' \
'--dir=[Keep the server'\''s state in this directory \[default\: a fresh one, removed at the end\]]:DIR:_files' \
'*--region=[A Region to serve; can be repeated, the first is the profiles'\'']:REGION:_default' \
'--players=[Let players in at this address, which must be routed to this machine and not be its own]:ADDRESS:_default' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
'--config=[The configuration, a TOML file]:FILE:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(teardown)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--delete-data[Delete the directory too, with database, builds, uploaded objects and logs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory whose disk to look at]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(account)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__account_commands" \
"*::: :->account" \
&& ret=0

    case $state in
    (account)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-account-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--name=[The account'\''s name on this server\: 1 to 64 letters, digits and -_]:NAME:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(quota)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__account__subcmd__quota_commands" \
"*::: :->quota" \
&& ret=0

    case $state in
    (quota)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-account-quota-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(set)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
':quota -- The quota'\''s name in the configuration:_default' \
':value -- How many the account may have:_default' \
&& ret=0
;;
(reset)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':quota -- The quota'\''s name in the configuration:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(access-key)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__access-key_commands" \
"*::: :->access-key" \
&& ret=0

    case $state in
    (access-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-access-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--user=[The user who signs with it, made if the account has none of that name]:USER:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(delete)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- The access key'\''s public half:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(build)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__build_commands" \
"*::: :->build" \
&& ret=0

    case $state in
    (build)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-build-command-$line[1]:"
        case $line[1] in
            (import)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--name=[The build'\''s name]:NAME:_default' \
'--build-version=[The build'\''s version, in your own words]:VERSION:_default' \
'--root=[The directory with the build'\''s files, which fleets see as /local/game]:DIR:_files' \
'--operating-system=[What it was built for, in GameLift'\''s words; shown, and without meaning here]:NAME:_default' \
'--region=[The Region to import it to \[default\: the server'\''s first\]]:REGION:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- The build:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(run)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--vpc=[The VPC]:VPC:_default' \
'--subnet=[The subnet \[default\: the VPC'\''s first\]]:SUBNET:_default' \
'--address=[The address \[default\: the first free one of the subnet\]]:IP:_default' \
'*--security-group=[A security group; may be given several times \[default\: the VPC'\''s default one\]]:SG:_default' \
'--mtu=[The MTU of its network interface, in bytes, 576 to 9001 \[default\: the server'\''s\]]:BYTES:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'*::command -- The program and its arguments:_default' \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
'--instance=[Only this instance'\''s]:INSTANCE:_default' \
'--process=[Only this process'\''s, such as \`server-1\`]:NAME:_default' \
'-n+[How many of the last lines of each process to show \[default\: all; with --follow, 10\]]:N:_default' \
'--lines=[How many of the last lines of each process to show \[default\: all; with --follow, 10\]]:N:_default' \
'--account=[Only if it is this account'\''s]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-f[Go on with what is written from now on, also by instances that start later]' \
'--follow[Go on with what is written from now on, also by instances that start later]' \
'--install[What the build'\''s install.sh wrote, too]' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':fleet -- The fleet:_default' \
&& ret=0
;;
(fleet)
_arguments "${_arguments_options[@]}" : \
'--account=[Only if it is this account'\''s]:NAME|ID:_default' \
'--interval=[How many seconds of traffic and CPU time each screen is about\: 0.1 to 3600]:SECONDS:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--once[Show everything once, and end]' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
':fleet -- The fleet:_default' \
&& ret=0
;;
(peering)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__peering_commands" \
"*::: :->peering" \
&& ret=0

    case $state in
    (peering)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-peering-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--account=[The account to act for\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- The connection:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(trace)
_arguments "${_arguments_options[@]}" : \
'--from=[Who sends\: an address, or a network interface]:ADDRESS|ENI:_default' \
'--to=[To which address and port; without a port, an ICMP echo request is traced]:ADDRESS[:PORT]:_default' \
'--protocol=[What is sent \[default\: tcp to a port, icmp without one\]]:PROTOCOL:((tcp\:"TCP"
udp\:"UDP"
icmp\:"An ICMP echo request"))' \
'--vpc=[The sender'\''s VPC, where several VPCs have its address]:VPC:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--no-probe[Send no packet\: tell what is stored and what the data path would do]' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'--interval=[How many seconds of traffic each table is about\: 0.1 to 3600]:SECONDS:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--once[Show one table, with every interface, and end]' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(flows)
_arguments "${_arguments_options[@]}" : \
'--interface=[Only those that this network interface saw]:ENI:_default' \
'--account=[Only those of this account'\''s interfaces\: its name, or its 12 digits]:NAME|ID:_default' \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'(--rejected)--accepted[Only those that were let through]' \
'--rejected[Only those that were dropped]' \
'(--json)--header[Write the line that names the fields to stdout, before the records, and not to stderr]' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(repairs)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(clock)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tombolo__subcmd__clock_commands" \
"*::: :->clock" \
&& ret=0

    case $state in
    (clock)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tombolo-clock-command-$line[1]:"
        case $line[1] in
            (advance)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':by -- How far\: `24h`, `90m`, `1h 30m`, `86400s`:_default' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--dir=[The data directory of the server to ask]:DIR:_files' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'--json[Write JSON, for programs]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(instance-supervisor)
_arguments "${_arguments_options[@]}" : \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':spec -- What the instance is to be:_files' \
&& ret=0
;;
(demo-database)
_arguments "${_arguments_options[@]}" : \
'--listen=[Where to listen, by TCP and by UDP]:LISTEN:_default' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(demo-game-server)
_arguments "${_arguments_options[@]}" : \
'--database=[The database]:DATABASE:_default' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(demo-measure)
_arguments "${_arguments_options[@]}" : \
'--database=[The database]:DATABASE:_default' \
'--log=[What to log to stderr\: a level, or a filter such as \`warn,tombolo_api=debug\`]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_tombolo_commands] )) ||
_tombolo_commands() {
    local commands; commands=(
'demo:Show the main job end to end, with its own server and real packets' \
'dev:Run a server for development in the foreground, with two accounts made' \
'serve:Run a server for keeps, by a configuration file' \
'teardown:Take everything of a data directory off the machine' \
'doctor:Tell what this machine can do, what is missing, and what mends it' \
'account:Make and list accounts' \
'access-key:Make, list and delete access keys' \
'build:Import builds' \
'run:Run a program inside a VPC, on a network interface of its own' \
'logs:Show what a fleet'\''s server processes wrote' \
'fleet:Show what a fleet does\: instances, server processes, traffic, peerings, events' \
'peering:Show peering connections with everything that they went through' \
'trace:Tell whether one workload can reach another, and if not, why' \
'top:Show traffic by interface and by peering, drops by reason, and how full the tables are' \
'flows:Follow accepted and rejected flows, in the format of VPC Flow Logs, version 2' \
'status:Show how the background work of a server is\: what ran last, why, and what came of it' \
'repairs:Show what was found changed behind the server'\''s back, and was put right' \
'clock:Show the clock of a development server, and move it' \
'completions:Print the completions of a shell' \
'instance-supervisor:The first process of an instance' \
'demo-database:The demo'\''s database' \
'demo-game-server:The demo'\''s game server' \
'demo-measure:Measures the way to the demo'\''s database once' \
    )
    _describe -t commands 'tombolo commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__access-key_commands] )) ||
_tombolo__subcmd__access-key_commands() {
    local commands; commands=(
'create:Make an access key; its secret is shown this one time' \
'list:List the access keys of an account, without their secrets' \
'delete:Delete an access key\: requests signed with it are refused from then on' \
    )
    _describe -t commands 'tombolo access-key commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__access-key__subcmd__create_commands] )) ||
_tombolo__subcmd__access-key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo access-key create commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__access-key__subcmd__delete_commands] )) ||
_tombolo__subcmd__access-key__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo access-key delete commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__access-key__subcmd__list_commands] )) ||
_tombolo__subcmd__access-key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo access-key list commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account_commands] )) ||
_tombolo__subcmd__account_commands() {
    local commands; commands=(
'create:Make an account' \
'list:List the accounts' \
'quota:Show and change how much of everything an account may have' \
    )
    _describe -t commands 'tombolo account commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__create_commands] )) ||
_tombolo__subcmd__account__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo account create commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__list_commands] )) ||
_tombolo__subcmd__account__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo account list commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__quota_commands] )) ||
_tombolo__subcmd__account__subcmd__quota_commands() {
    local commands; commands=(
'list:List the quotas of an account\: those of its own, and those that every account has' \
'set:Give an account a quota of its own, which counts instead of the configuration'\''s from now on' \
'reset:Take a quota of its own away from an account\: the configuration'\''s counts again' \
    )
    _describe -t commands 'tombolo account quota commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__quota__subcmd__list_commands] )) ||
_tombolo__subcmd__account__subcmd__quota__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo account quota list commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__quota__subcmd__reset_commands] )) ||
_tombolo__subcmd__account__subcmd__quota__subcmd__reset_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo account quota reset commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__account__subcmd__quota__subcmd__set_commands] )) ||
_tombolo__subcmd__account__subcmd__quota__subcmd__set_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo account quota set commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__build_commands] )) ||
_tombolo__subcmd__build_commands() {
    local commands; commands=(
'import:Import a directory of this machine as a READY build' \
'list:List the builds of an account, in all Regions' \
'show:Show one build\: its status, its size, and why its files could not be had' \
    )
    _describe -t commands 'tombolo build commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__build__subcmd__import_commands] )) ||
_tombolo__subcmd__build__subcmd__import_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo build import commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__build__subcmd__list_commands] )) ||
_tombolo__subcmd__build__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo build list commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__build__subcmd__show_commands] )) ||
_tombolo__subcmd__build__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo build show commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__clock_commands] )) ||
_tombolo__subcmd__clock_commands() {
    local commands; commands=(
'advance:Move the clock forward, to rehearse what time brings, such as an authorization'\''s expiry' \
'show:Show the server'\''s time, and how far it was moved' \
    )
    _describe -t commands 'tombolo clock commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__clock__subcmd__advance_commands] )) ||
_tombolo__subcmd__clock__subcmd__advance_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo clock advance commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__clock__subcmd__show_commands] )) ||
_tombolo__subcmd__clock__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo clock show commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__completions_commands] )) ||
_tombolo__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo completions commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__demo_commands] )) ||
_tombolo__subcmd__demo_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo demo commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__demo-database_commands] )) ||
_tombolo__subcmd__demo-database_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo demo-database commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__demo-game-server_commands] )) ||
_tombolo__subcmd__demo-game-server_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo demo-game-server commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__demo-measure_commands] )) ||
_tombolo__subcmd__demo-measure_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo demo-measure commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__dev_commands] )) ||
_tombolo__subcmd__dev_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo dev commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__doctor_commands] )) ||
_tombolo__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo doctor commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__fleet_commands] )) ||
_tombolo__subcmd__fleet_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo fleet commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__flows_commands] )) ||
_tombolo__subcmd__flows_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo flows commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__instance-supervisor_commands] )) ||
_tombolo__subcmd__instance-supervisor_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo instance-supervisor commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__logs_commands] )) ||
_tombolo__subcmd__logs_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo logs commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__peering_commands] )) ||
_tombolo__subcmd__peering_commands() {
    local commands; commands=(
'list:List an account'\''s peering connections and authorizations, given and received' \
'show:Show one connection with every state that it went through, and when' \
    )
    _describe -t commands 'tombolo peering commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__peering__subcmd__list_commands] )) ||
_tombolo__subcmd__peering__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo peering list commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__peering__subcmd__show_commands] )) ||
_tombolo__subcmd__peering__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo peering show commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__repairs_commands] )) ||
_tombolo__subcmd__repairs_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo repairs commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__run_commands] )) ||
_tombolo__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo run commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__serve_commands] )) ||
_tombolo__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo serve commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__status_commands] )) ||
_tombolo__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo status commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__teardown_commands] )) ||
_tombolo__subcmd__teardown_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo teardown commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__top_commands] )) ||
_tombolo__subcmd__top_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo top commands' commands "$@"
}
(( $+functions[_tombolo__subcmd__trace_commands] )) ||
_tombolo__subcmd__trace_commands() {
    local commands; commands=()
    _describe -t commands 'tombolo trace commands' commands "$@"
}

if [ "$funcstack[1]" = "_tombolo" ]; then
    _tombolo "$@"
else
    compdef _tombolo tombolo
fi
