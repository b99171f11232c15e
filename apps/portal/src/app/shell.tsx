import type { ComponentChildren, ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { session, signOut } from '../wire/session.ts'
import { SignInPage } from './sign-in-page.tsx'
import { Problem } from '../ui/problem.tsx'
import { clockTime } from '../ui/format.ts'
import { connection } from '../wire/connection.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import { place } from '../ui/router.ts'
import { findPage, places, type Page } from './routes.ts'

/** The frame of every page: navigation, signed-in principal, server reachability. */
export function Shell() {
  const found = findPage(place.value.path)
  const who = session.value
  useEffect(() => {
    document.title = found === undefined ? 'Strongroom' : `${found.page.title} · Strongroom`
  }, [found?.page])
  return (
    <>
      <a class="skip" href="#content">
        To the content
      </a>
      <Bar />
      <Lost />
      {found === undefined ? (
        <Frame>
          <h1>There is no such page</h1>
          <p>
            <a href="/">Machines</a> is a good place to go on from.
          </p>
        </Frame>
      ) : who.state === 'in' || found.page.open === true ? (
        <Loaded page={found.page} parameters={found.parameters} />
      ) : who.state === 'out' ? (
        <SignInPage why={who.why} />
      ) : (
        <Frame>
          <p class="quiet" role="status">
            Signing in …
          </p>
        </Frame>
      )}
    </>
  )
}

const Frame = ({ children }: { children: ComponentChildren }) => (
  <main id="content" tabIndex={-1}>
    {children}
  </main>
)

function Bar() {
  const who = session.value
  const { path } = place.value
  return (
    <header class="bar">
      <a class="brand" href="/">
        <img src="/icon.svg" alt="" width="22" height="22" />
        Strongroom
      </a>
      <nav aria-label="Pages">
        {places.map(({ address, name }) => (
          <a
            key={address}
            href={address}
            aria-current={
              (address === '/' ? path === '/' || path.startsWith('/machines') : path.startsWith(address))
                ? 'page'
                : undefined
            }
          >
            {name}
          </a>
        ))}
      </nav>
      {who.state === 'in' && (
        <div class="who">
          <bdi title={who.person.objectId}>{who.person.name}</bdi>
          <button type="button" class="plain" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      )}
    </header>
  )
}

function Lost() {
  const state = connection.value
  return (
    <div role="status" class={state.state === 'lost' ? 'lost' : 'lost none'}>
      {state.state === 'lost' && `The server has not answered since ${clockTime(state.since)}. This page keeps trying.`}
    </div>
  )
}

/** Loads a page's code when it is first shown. */
function Loaded({ page, parameters }: { page: Page; parameters: Record<string, string> }) {
  const [loaded, setLoaded] = useState<{
    page: Page
    component?: ComponentType<Record<string, string>>
    error?: WireError
  }>()
  useEffect(() => {
    let current = true
    page.load().then(
      (component) => current && setLoaded({ page, component }),
      (error: unknown) => current && setLoaded({ page, error: toWireError(error) }),
    )
    return () => {
      current = false
    }
  }, [page])
  const Component = loaded?.page === page ? loaded.component : undefined
  return (
    <Frame>
      {Component !== undefined && <Component {...parameters} />}
      {loaded?.page === page && loaded.error !== undefined && (
        <Problem error={loaded.error} what="This page could not be loaded. Reload it." />
      )}
    </Frame>
  )
}
