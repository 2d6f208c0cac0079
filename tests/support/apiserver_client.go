// Command apiserver_client posts a review again and again as Kubernetes' API server calls a webhook, and prints what
// happened as JSON once its standard input is closed.
//
// The transport is that of k8s.io/client-go/transport/cache.go: 25 idle connections a host, closed after 90 seconds.
// NextProtos is http/1.1, as in k8s.io/apiserver/pkg/util/webhook/client.go; "-protocols" changes that. Like there, a
// body can be sent again (GetBody is set), so that net/http may repeat a request of which nothing was written, and no
// failed call is repeated here.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

type result struct {
	Answered int            `json:"answered"`
	Reused   int            `json:"reused"`
	Dialled  int            `json:"dialled"`
	Failures map[string]int `json:"failures"`
	Protocol map[string]int `json:"protocol"`
	SlowestS float64        `json:"slowestS"`
}

func main() {
	url := flag.String("url", "", "where to post")
	body := flag.String("body", "", "file of the review")
	ca := flag.String("ca", "", "PEM file of the server's CA; empty: no TLS")
	certificate := flag.String("cert", "", "PEM file of the client's certificate")
	key := flag.String("key", "", "PEM file of its key")
	protocols := flag.String("protocols", "http/1.1", "ALPN, separated by commas")
	http2 := flag.Bool("http2", false, "offer and speak HTTP/2, as Go does by itself")
	clients := flag.Int("clients", 8, "callers at a time")
	pause := flag.Duration("pause", 5*time.Millisecond, "between two calls of a caller")
	fresh := flag.Bool("fresh", false, "a connection of its own for every call")
	flag.Parse()

	review, err := os.ReadFile(*body)
	check(err)
	transport := &http.Transport{
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 25,
		IdleConnTimeout:     90 * time.Second,
		DisableKeepAlives:   *fresh,
		DisableCompression:  true,
		ForceAttemptHTTP2:   *http2,
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		if !*http2 {
			transport.TLSClientConfig.NextProtos = strings.Split(*protocols, ",")
		}
		if *certificate != "" {
			pair, err := tls.LoadX509KeyPair(*certificate, *key)
			check(err)
			transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
		}
	}
	var lock sync.Mutex
	seen := result{Failures: map[string]int{}, Protocol: map[string]int{}}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		lock.Lock()
		seen.Dialled++
		lock.Unlock()
		return dialer.DialContext(ctx, network, address)
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}

	ends := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ends)
	}()
	var all sync.WaitGroup
	for n := 0; n < *clients; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				reused := false
				trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
				begun := time.Now()
				protocol, err := call(httptrace.WithClientTrace(context.Background(), trace), client, *url, review)
				took := time.Since(begun).Seconds()
				lock.Lock()
				if err != nil {
					seen.Failures[err.Error()]++
				} else {
					seen.Answered++
					seen.Protocol[protocol]++
				}
				if reused {
					seen.Reused++
				}
				if took > seen.SlowestS {
					seen.SlowestS = took
				}
				lock.Unlock()
				select {
				case <-ends:
					return
				case <-time.After(*pause):
				}
			}
		}()
	}
	all.Wait()
	check(json.NewEncoder(os.Stdout).Encode(seen))
}

// call posts one review; an answer that is not a review which allows is an error.
func call(ctx context.Context, client *http.Client, url string, review []byte) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(review))
	check(err)
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return "", withoutPorts(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	var decoded struct {
		Response struct {
			Allowed bool `json:"allowed"`
		} `json:"response"`
	}
	if answer.StatusCode != http.StatusOK || json.Unmarshal(content, &decoded) != nil || !decoded.Response.Allowed {
		return "", fmt.Errorf("status %d: %.200s", answer.StatusCode, content)
	}
	return answer.Proto, nil
}

// withoutPorts makes errors of different connections equal, so that they can be counted.
func withoutPorts(err error) error {
	words := strings.Fields(err.Error())
	for n, word := range words {
		if strings.HasPrefix(word, "127.0.0.1:") {
			words[n] = "127.0.0.1"
		}
	}
	return fmt.Errorf("%s", strings.ReplaceAll(strings.Join(words, " "), "127.0.0.1->127.0.0.1", "127.0.0.1"))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
