import { signal } from '@preact/signals'

/** Whether the server answers; `since` is its last sign of life. */
export const connection = signal<{ state: 'up' } | { state: 'lost'; since: Date }>({ state: 'up' })

let lastHeard = new Date()

export function heard(): void {
  lastHeard = new Date()
  if (connection.peek().state === 'lost') connection.value = { state: 'up' }
}

export function lost(): void {
  if (connection.peek().state === 'up') connection.value = { state: 'lost', since: lastHeard }
}
