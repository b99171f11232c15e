import { spawnSync } from 'node:child_process'

/** Tells systemd that the service is ready, or writes on standard error, which the journal keeps, what went wrong. */
export function notifySystemd(message: { type: string }): void {
  if (message.type === 'ready') spawnSync('systemd-notify', ['--ready'], { stdio: 'inherit' })
  else process.stderr.write(`${JSON.stringify(message)}\n`)
}
