(* corosync.conf: sections of sections and options, three deep at most (quorum, device, heuristics). *)
module Corosync =
  autoload xfm

  let name = /[A-Za-z0-9_.-]+/
  let eol = del /[ \t]*\r?\n/ "\n"
  let indent = del /[ \t]*/ "\t"
  let opening = del /[ \t]*\{[ \t]*\r?\n/ " {\n"
  let closing = del /[ \t]*\}[ \t]*\r?\n/ "}\n"

  let filling = Util.comment | Util.empty
  let option = [ indent . key name . del /[ \t]*:[ \t]*/ ": " . store /[^ \t\r\n]([^\r\n]*[^ \t\r\n])?/ . eol ]
  let section (inner:lens) = [ indent . key name . opening . inner* . closing ]

  let third = section (filling | option)
  let second = section (filling | option | third)
  let first = section (filling | option | second)

  let lns = (filling | first)*
  let xfm = transform lns (incl "/etc/corosync/corosync.conf" . incl "/etc/corosync/uidgid.d/*" . Util.stdexcl)
