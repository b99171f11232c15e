import { useState } from 'preact/hooks'
import type { WireError } from '../wire/wire-error.ts'
import { toWireError } from '../wire/wire-error.ts'
import { Problem } from '../ui/problem.tsx'
import { Command } from '../ui/command.tsx'
import { signInAsApplication, signInByCode } from '../wire/session.ts'

/** Shown if nobody is signed in. */
export function SignInPage({ why }: { why?: WireError | undefined }) {
  const [refused, setRefused] = useState<WireError | undefined>(why)
  const [busy, setBusy] = useState(false)
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true)
    setRefused(undefined)
    await work().catch((error: unknown) => setRefused(toWireError(error)))
    setBusy(false)
  }
  const submit = (work: (form: FormData) => Promise<void>) => (event: Event) => {
    event.preventDefault()
    void attempt(async () => await work(new FormData(event.currentTarget as HTMLFormElement)))
  }
  const field = (form: FormData, name: string): string => {
    const value = form.get(name)
    return typeof value === 'string' ? value.trim() : ''
  }
  return (
    <main class="sign-in" id="content">
      <h1>Sign in to Strongroom</h1>
      {refused !== undefined && <Problem error={refused} />}
      <section>
        <h2>As the owner</h2>
        <p>In a shell of the user who runs the server:</p>
        <Command text="./strongroom portal" />
        <p class="quiet">
          It prints an address that signs this browser in, once, within five minutes. Or paste its code:
        </p>
        <form onSubmit={submit(async (form) => await signInByCode(field(form, 'code').replace(/^.*#sign-in=/, '')))}>
          <label>
            One-time code
            <input name="code" autocomplete="off" spellcheck={false} required />
          </label>
          <button class="primary" disabled={busy}>
            Sign in
          </button>
        </form>
      </section>
      <details>
        <summary>As an application</summary>
        <form onSubmit={submit(async (form) => await signInAsApplication(field(form, 'app'), field(form, 'secret')))}>
          <label>
            Application (client) id
            <input name="app" autocomplete="off" spellcheck={false} required />
          </label>
          <label>
            Client secret
            <input name="secret" type="password" autocomplete="off" required />
          </label>
          <button disabled={busy}>Sign in as this application</button>
        </form>
      </details>
    </main>
  )
}
