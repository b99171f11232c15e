import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { isAtLeast, leastNode, nodeTooOld, serverNode } from '../core/node-program.ts'

/**
 * `strongroom` of the npm package: runs the command line in a Node that is new enough for the server too. Bundled for
 * old Nodes, so that they can report the problem.
 */
function refuse(o: { message: string; expected: string; found: string; remedy: string }): void {
  const { message, expected, found, remedy } = o
  process.stderr.write(`error: ${message}\n  expected: ${expected}\n  found: ${found}\n  remedy: ${remedy}\n`)
  process.exitCode = 3
}

function run(node: string): void {
  const program = join(import.meta.dirname, 'cli.cjs')
  if (node === process.execPath) {
    require(program)
    return
  }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', program, ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  // Ctrl-C reaches both; signals to this process only are forwarded.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void child.kill(signal))
  child.once('error', (error) => refuse({ ...nodeTooOld, found: error.message }))
  child.once('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
  })
}

const node = serverNode()
if (!isAtLeast(process.versions.node, leastNode)) {
  refuse({
    ...nodeTooOld,
    message: `Strongroom needs Node ${leastNode} or later.`,
    expected: `Node >= ${leastNode}`,
    remedy: 'Install a newer Node.',
  })
} else if (node === undefined) refuse(nodeTooOld)
else run(node)
