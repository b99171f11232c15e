import { spawnSync } from 'node:child_process'
import { visibleJson } from '@strongroom/contract'

/** Reports readiness to systemd, or writes errors to standard error, which the journal keeps. */
export function notifySystemd(message: { type: string }): void {
  if (message.type === 'ready') spawnSync('systemd-notify', ['--ready'], { stdio: 'inherit' })
  else process.stderr.write(`${visibleJson(message)}\n`)
}
