import { readdirSync, readFileSync } from 'node:fs'

interface Found {
  pid: number
  parent: number
  command: string
}

function allProcesses(): Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const end = stat.lastIndexOf(')')
        const [, parent = ''] = stat.slice(end + 2).split(' ')
        return [{ pid: Number(name), parent: Number(parent), command: stat.slice(stat.indexOf('(') + 1, end) }]
      } catch {
        return []
      }
    })
}

/** The process and its descendants; with `command`, only those whose name begins so. */
export function treeOf(pid: number, command = ''): number[] {
  const all = allProcesses()
  const found = new Set([pid])
  for (let before = 0; before !== found.size;) {
    before = found.size
    for (const each of all) if (found.has(each.parent)) found.add(each.pid)
  }
  return all.filter((each) => found.has(each.pid) && each.command.startsWith(command)).map((each) => each.pid)
}

export function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended meanwhile.
    }
  }
}
