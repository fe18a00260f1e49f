// The search of these pages runs in a worker, and a page that was opened as a file may not start one. There, this
// takes the place of `Worker`: the script runs in a hidden frame of the page. Nothing is asked of a network.
"use strict";
if (location.protocol === "file:") {
  const load = (inner, address) =>
    new Promise((resolve, reject) => {
      const script = inner.document.createElement("script");
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error(`${address} cannot be loaded`)));
      script.src = address;
      inner.document.head.append(script);
    });

  class IFrameWorker extends EventTarget {
    #frame = document.createElement("iframe");
    #ready;

    constructor(address) {
      super();
      const absolute = new URL(address, location).href;
      this.#frame.hidden = true;
      this.#frame.srcdoc = "<!doctype html><title>worker</title>"; // of the same origin as this page
      this.#ready = new Promise((resolve) => this.#frame.addEventListener("load", resolve, { once: true })).then(() =>
        this.#start(absolute),
      );
      this.#ready.catch((error) => this.dispatchEvent(new ErrorEvent("error", { error, message: error.message })));
      document.body.append(this.#frame);
    }

    postMessage(data) {
      this.#ready.then(
        (inner) => inner.dispatchEvent(new inner.MessageEvent("message", { data })),
        () => {}, // said by the event "error"
      );
    }

    terminate() {
      this.#frame.remove();
    }

    async #start(address) {
      const inner = this.#frame.contentWindow;
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inner.importScripts = async (...addresses) => {
        for (const each of addresses) await load(inner, each);
      };
      await load(inner, address);
      return inner;
    }
  }

  window.Worker = window.IFrameWorker = IFrameWorker; // the worker's script looks for the second name
}
