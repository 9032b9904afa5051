# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tombolo_global_optspecs
    string join \n log= h/help V/version
end

function __fish_tombolo_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tombolo_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tombolo_using_subcommand
    set -l cmd (__fish_tombolo_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tombolo -n "__fish_tombolo_needs_command" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_needs_command" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_needs_command" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "demo" -d 'Show the main job end to end, with its own server and real packets'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "dev" -d 'Run a server for development in the foreground, with two accounts made'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "serve" -d 'Run a server for keeps, by a configuration file'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "teardown" -d 'Take everything of a data directory off the machine'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "doctor" -d 'Tell what this machine can do, what is missing, and what mends it'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "account" -d 'Make and list accounts'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "access-key" -d 'Make, list and delete access keys'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "build" -d 'Import builds'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "run" -d 'Run a program inside a VPC, on a network interface of its own'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "logs" -d 'Show what a fleet\'s server processes wrote'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "fleet" -d 'Show what a fleet does: instances, server processes, traffic, peerings, events'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "peering" -d 'Show peering connections with everything that they went through'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "trace" -d 'Tell whether one workload can reach another, and if not, why'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "top" -d 'Show traffic by interface and by peering, drops by reason, and how full the tables are'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "flows" -d 'Follow accepted and rejected flows, in the format of VPC Flow Logs, version 2'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "status" -d 'Show how the background work of a server is: what ran last, why, and what came of it'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "repairs" -d 'Show what was found changed behind the server\'s back, and was put right'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "clock" -d 'Show the clock of a development server, and move it'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "instance-supervisor" -d 'The first process of an instance'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "demo-database" -d 'The demo\'s database'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "demo-game-server" -d 'The demo\'s game server'
complete -c tombolo -n "__fish_tombolo_needs_command" -f -a "demo-measure" -d 'Measures the way to the demo\'s database once'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo" -l network -d 'Which network engine to use' -r -f -a "auto\t'Real packets where the machine can, else simulated'
ebpf\t'Real packets, or an error'
simulated\t'No packets: the APIs and their states only'"
complete -c tombolo -n "__fish_tombolo_using_subcommand demo" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo" -l keep -d 'Connect again at the end, and leave everything running until Ctrl-C'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l listen -d 'Where the API listens, on this machine only; port 0 takes a free one' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l network -d 'Which network engine to use' -r -f -a "auto\t'Real packets where the machine can, else simulated'
ebpf\t'Real packets, or an error'
simulated\t'No packets: the APIs and their states only'"
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l dir -d 'Keep the server\'s state in this directory [default: a fresh one, removed at the end]' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l region -d 'A Region to serve; can be repeated, the first is the profiles\'' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l players -d 'Let players in at this address, which must be routed to this machine and not be its own' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand dev" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand serve" -l config -d 'The configuration, a TOML file' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand serve" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand serve" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand teardown" -l dir -d 'The data directory' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand teardown" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand teardown" -l delete-data -d 'Delete the directory too, with database, builds, uploaded objects and logs'
complete -c tombolo -n "__fish_tombolo_using_subcommand teardown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand teardown" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand doctor" -l dir -d 'The data directory whose disk to look at' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand doctor" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand doctor" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -f -a "create" -d 'Make an account'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -f -a "list" -d 'List the accounts'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and not __fish_seen_subcommand_from create list quota" -f -a "quota" -d 'Show and change how much of everything an account may have'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -l name -d 'The account\'s name on this server: 1 to 64 letters, digits and -_' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from list" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from list" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -f -a "list" -d 'List the quotas of an account: those of its own, and those that every account has'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -f -a "set" -d 'Give an account a quota of its own, which counts instead of the configuration\'s from now on'
complete -c tombolo -n "__fish_tombolo_using_subcommand account; and __fish_seen_subcommand_from quota" -f -a "reset" -d 'Take a quota of its own away from an account: the configuration\'s counts again'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -f -a "create" -d 'Make an access key; its secret is shown this one time'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -f -a "list" -d 'List the access keys of an account, without their secrets'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and not __fish_seen_subcommand_from create list delete" -f -a "delete" -d 'Delete an access key: requests signed with it are refused from then on'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -l user -d 'The user who signs with it, made if the account has none of that name' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from delete" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from delete" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand access-key; and __fish_seen_subcommand_from delete" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -f -a "import" -d 'Import a directory of this machine as a READY build'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -f -a "list" -d 'List the builds of an account, in all Regions'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and not __fish_seen_subcommand_from import list show" -f -a "show" -d 'Show one build: its status, its size, and why its files could not be had'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l name -d 'The build\'s name' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l build-version -d 'The build\'s version, in your own words' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l root -d 'The directory with the build\'s files, which fleets see as /local/game' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l operating-system -d 'What it was built for, in GameLift\'s words; shown, and without meaning here' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l region -d 'The Region to import it to [default: the server\'s first]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from import" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand build; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l vpc -d 'The VPC' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l subnet -d 'The subnet [default: the VPC\'s first]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l address -d 'The address [default: the first free one of the subnet]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l security-group -d 'A security group; may be given several times [default: the VPC\'s default one]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l mtu -d 'The MTU of its network interface, in bytes, 576 to 9001 [default: the server\'s]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand run" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l instance -d 'Only this instance\'s' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l process -d 'Only this process\'s, such as `server-1`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -s n -l lines -d 'How many of the last lines of each process to show [default: all; with --follow, 10]' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l account -d 'Only if it is this account\'s' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -s f -l follow -d 'Go on with what is written from now on, also by instances that start later'
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l install -d 'What the build\'s install.sh wrote, too'
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand logs" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l account -d 'Only if it is this account\'s' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l interval -d 'How many seconds of traffic and CPU time each screen is about: 0.1 to 3600' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l once -d 'Show everything once, and end'
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand fleet" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and not __fish_seen_subcommand_from list show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and not __fish_seen_subcommand_from list show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and not __fish_seen_subcommand_from list show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and not __fish_seen_subcommand_from list show" -f -a "list" -d 'List an account\'s peering connections and authorizations, given and received'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and not __fish_seen_subcommand_from list show" -f -a "show" -d 'Show one connection with every state that it went through, and when'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -l account -d 'The account to act for: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand peering; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l from -d 'Who sends: an address, or a network interface' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l to -d 'To which address and port; without a port, an ICMP echo request is traced' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l protocol -d 'What is sent [default: tcp to a port, icmp without one]' -r -f -a "tcp\t'TCP'
udp\t'UDP'
icmp\t'An ICMP echo request'"
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l vpc -d 'The sender\'s VPC, where several VPCs have its address' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l no-probe -d 'Send no packet: tell what is stored and what the data path would do'
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand trace" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -l interval -d 'How many seconds of traffic each table is about: 0.1 to 3600' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -l once -d 'Show one table, with every interface, and end'
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand top" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l interface -d 'Only those that this network interface saw' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l account -d 'Only those of this account\'s interfaces: its name, or its 12 digits' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l accepted -d 'Only those that were let through'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l rejected -d 'Only those that were dropped'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l header -d 'Write the line that names the fields to stdout, before the records, and not to stderr'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand flows" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand status" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand status" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand status" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tombolo -n "__fish_tombolo_using_subcommand status" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand repairs" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand repairs" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand repairs" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand repairs" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand repairs" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and not __fish_seen_subcommand_from advance show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and not __fish_seen_subcommand_from advance show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and not __fish_seen_subcommand_from advance show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and not __fish_seen_subcommand_from advance show" -f -a "advance" -d 'Move the clock forward, to rehearse what time brings, such as an authorization\'s expiry'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and not __fish_seen_subcommand_from advance show" -f -a "show" -d 'Show the server\'s time, and how far it was moved'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from advance" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from advance" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from advance" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from advance" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from advance" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from show" -l dir -d 'The data directory of the server to ask' -r -F
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from show" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from show" -l json -d 'Write JSON, for programs'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand clock; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand completions" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand completions" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand completions" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand instance-supervisor" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand instance-supervisor" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand instance-supervisor" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-database" -l listen -d 'Where to listen, by TCP and by UDP' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-database" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-database" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-database" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-game-server" -l database -d 'The database' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-game-server" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-game-server" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-game-server" -s V -l version -d 'Print version'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-measure" -l database -d 'The database' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-measure" -l log -d 'What to log to stderr: a level, or a filter such as `warn,tombolo_api=debug`' -r
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-measure" -s h -l help -d 'Print help'
complete -c tombolo -n "__fish_tombolo_using_subcommand demo-measure" -s V -l version -d 'Print version'
