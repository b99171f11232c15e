import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** An unprivileged user of this machine with a range of ids for containers, as `useradd` sets up for everyone. */
export class OrdinaryUser {
  readonly name: string = `strongroom-${process.pid}`
  readonly uid: number
  readonly gid: number
  /** The first of the host ids for its containers' users: /etc/subuid. */
  readonly firstId: number

  constructor(home: string) {
    execFileSync('useradd', ['--no-create-home', '--home-dir', home, '--shell', '/usr/sbin/nologin', this.name])
    const id = (flag: string): number => Number(execFileSync('id', [flag, this.name], { encoding: 'utf8' }))
    this.uid = id('-u')
    this.gid = id('-g')
    const own = readFileSync('/etc/subuid', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${this.name}:`))
    this.firstId = Number(own?.split(':')[1])
  }

  /** Prefix for a command of this user. */
  get prefix(): string[] {
    return ['setpriv', '--reuid', String(this.uid), '--regid', String(this.gid), '--init-groups', '--']
  }

  remove(): void {
    execFileSync('userdel', [this.name], { stdio: 'ignore' })
  }
}
